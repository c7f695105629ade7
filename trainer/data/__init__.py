"""The pictures of a run: read, turned into tensors, encoded once into latents."""
