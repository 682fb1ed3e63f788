"""Vision transformers told from their tensors, whoever named them, and built from their sizes."""
