"""What reaches a terminal: made safe, worded and drawn."""
