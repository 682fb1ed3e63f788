"""Presets: the configurations of the embedded encoders."""
