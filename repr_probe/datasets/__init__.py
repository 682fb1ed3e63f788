"""Data sets: what they are, where they lie, and how their images become tensors."""
