"""What is laid over a picture or pasted to it: letters, seams, and of two copies the one with something on it."""
