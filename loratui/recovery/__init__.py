"""A run that ended badly, put right and started again."""
