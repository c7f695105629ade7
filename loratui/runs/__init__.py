"""Runs found, listed, started, told what to do, and queued."""
