"""Weights that travel with the package, each beside the card that says what made them."""
