"""Training: the HyDeS loss of the paper and the script that made the embedded encoder."""
