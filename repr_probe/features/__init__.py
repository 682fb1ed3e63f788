"""Feature matrices: the door for foreign arrays, Features, and the store on disk."""
