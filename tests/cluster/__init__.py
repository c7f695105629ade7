"""Runs on a real Slurm of one node; skipped with a plain reason where Slurm is not installed."""
