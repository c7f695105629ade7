"""What a run says, read: its history, its curves, what matters in it, in words."""
