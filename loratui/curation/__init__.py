"""The dataset doctor: looks at a folder of pictures, proposes, and never changes a file."""
