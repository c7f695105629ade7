"""The run directory and its protocol: names, events, lock, commands, queue."""
