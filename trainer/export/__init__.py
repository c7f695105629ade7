"""The files that other programs read."""
