"""The screens: what they share, then monitor, results and wizard."""
