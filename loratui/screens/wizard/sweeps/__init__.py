"""Builds a sweep from the draft: its axes, what it would take, its start."""
