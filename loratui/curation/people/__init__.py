"""Faces: where they are, what they show of a person, who they are, how they look and are lit."""
