"""Numbers that others printed, as data."""
