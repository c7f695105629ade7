"""What several screens share: the frame of a step, the small windows, the session."""
