"""The widgets that screens are built from; each draws what it is given."""
