"""What a base model's files are, told before any weight is read."""
