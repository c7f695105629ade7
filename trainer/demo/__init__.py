"""The small SDXL that ships with the package, the concepts to teach it, and how both were made."""
