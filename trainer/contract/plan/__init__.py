"""What a run will need and what a person should know of it before it starts."""
