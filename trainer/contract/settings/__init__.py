"""The settings of a run: each declared once, joined to one configuration."""
