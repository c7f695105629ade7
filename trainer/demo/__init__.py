"""The small SDXL that ships with the package, the concepts to teach it, and how both were made."""

from pathlib import Path

MODEL_DIR = Path(__file__).parent / "sdxl-small"
CONCEPTS_DIR = Path(__file__).parent / "concepts"
