"""What a person has chosen so far, in memory and on disk."""
