"""What is said of a base model that cannot be used."""

from __future__ import annotations


class ModelError(ValueError):
    """A part of the base model cannot be loaded."""
