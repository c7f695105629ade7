"""What the person chose, and the one configuration that comes of it."""
