"""What can be done to many captions at once, as pure arithmetic on words."""
