"""Tests of which pixels a picture file holds."""
