"""The plan before the run: steps, memory, disk and time, and what makes it fit."""
