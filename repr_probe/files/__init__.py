"""Readers and writers of every file format, the home folder, hashes."""
