"""Image encoders: networks, their weights out of files, and features out of their layers."""
