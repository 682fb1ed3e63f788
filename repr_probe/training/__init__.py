"""Training: the HyDeS loss of the paper, its relatives, and the loop that made the embedded encoders."""
