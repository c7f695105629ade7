"""The checks of the dataset doctor."""
