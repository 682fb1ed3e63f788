"""Probes: what can be read off frozen features, by nearest neighbours, linear classifiers and dense maps."""
