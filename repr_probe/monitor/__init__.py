"""Monitor: the geometry of a network while somebody trains it."""
