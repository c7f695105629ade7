"""Captions: what stands around them."""
