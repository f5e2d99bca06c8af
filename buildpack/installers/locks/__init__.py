"""Reads lock files: what they say is installed, and whether they are still true."""
