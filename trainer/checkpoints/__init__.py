"""Checkpoints: written whole or not at all, and the newest whole one found."""
