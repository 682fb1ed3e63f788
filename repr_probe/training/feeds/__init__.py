"""Feeds: how batches of views reach the training loop."""
