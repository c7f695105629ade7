"""What can be known of a GPU where none is."""
