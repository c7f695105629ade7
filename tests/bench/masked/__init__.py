"""A concept beside a distractor: what masked loss changes."""
