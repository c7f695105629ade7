"""What a base model is, and where it lies: on this disk or on the hub."""
