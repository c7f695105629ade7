"""Warm starts: processes of the real programs, forked off one that has imported their libraries already."""
