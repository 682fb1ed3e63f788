"""Encoders that come from elsewhere than a file of weights; each module is imported only when it is used."""
