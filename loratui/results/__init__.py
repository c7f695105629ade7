"""A run that is over: its files, its best checkpoint, how it differs from another, and its way to the hub."""
