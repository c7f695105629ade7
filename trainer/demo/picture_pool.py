"""The pool of training pictures, drawn once and kept in the work directory."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from trainer.demo.captions import SIZE, example, picture, scribble

EXAMPLES = 20_000  # captioned pictures: the U-Net sees all of them, the VAE too
SCRIBBLES = 6_000  # pictures of nothing in particular, for the VAE alone


def pictures(work: Path) -> np.ndarray:
    """All pictures, uint8, (EXAMPLES + SCRIBBLES, 64, 64, 3); example number i is at row i. Memory-mapped."""
    path = work / "pictures.npy"
    if not path.exists():
        drawn = np.empty((EXAMPLES + SCRIBBLES, SIZE, SIZE, 3), np.uint8)
        for i in range(EXAMPLES):
            drawn[i] = np.asarray(picture(example(i)))
        for i in range(SCRIBBLES):
            drawn[EXAMPLES + i] = np.asarray(scribble(i))
        aside = path.with_suffix(".part.npy")
        np.save(aside, drawn)
        aside.rename(path)
    return np.load(path, mmap_mode="r")
