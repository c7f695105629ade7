"""The screens of a run that trains, and of one that ended badly."""
