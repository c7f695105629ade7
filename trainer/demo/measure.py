"""How far generated pictures are from a concept's pictures, by the subject's colours and shape; without torch."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

SIDE = 64  # pictures are compared at this size, pixels
FRAME = 3  # the width of the border that counts as ground, pixels
EVERY = 6  # of the border's pixels, one in so many is compared: enough for stripes, and six times faster
TOUCHING = 3  # so many border colours may belong to a subject that touches the border
APART = 60.0  # RGB distance (0 to 441) from every border colour at which a pixel belongs to the subject
LEAST = 0.01  # share of the picture below which there is no subject
BINS = 4  # steps of each of red, green and blue in a histogram
SILHOUETTE = 48  # side of the square on which outlines are compared
FAR_SHAPE = 0.55  # 1 - IoU of two centred silhouettes that have nothing in common (measured on drawn shapes)


@dataclass(frozen=True)
class Distance:
    """Each in [0, 1], 0 is alike: subject's colours, subject's outline, and the whole picture's colours.

    `total` is for things and characters; for a style, whose shapes differ, read `palette`.
    """

    colour: float
    shape: float
    palette: float

    @property
    def total(self) -> float:
        """The mean of colour and shape."""
        return (self.colour + self.shape) / 2


@dataclass(frozen=True)
class _Look:
    """What is compared of one picture: two histograms (BINS ** 3,) and a silhouette (SILHOUETTE, SILHOUETTE)."""

    subject: np.ndarray
    whole: np.ndarray
    silhouette: np.ndarray | None


def subject_mask(pixels: np.ndarray) -> np.ndarray:
    """(h, w, 3) to (h, w) bool: the pixels unlike every colour of the border, which may be a gradient or stripes."""
    frame = np.concatenate(
        [
            pixels[:FRAME].reshape(-1, 3),
            pixels[-FRAME:].reshape(-1, 3),
            pixels[:, :FRAME].reshape(-1, 3),
            pixels[:, -FRAME:].reshape(-1, 3),
        ]
    )[::EVERY].astype(np.float32)
    flat = pixels.reshape(-1, 3).astype(np.float32)
    squares = (flat**2).sum(1)[:, None] + (frame**2).sum(1)[None] - 2 * flat @ frame.T
    # Not the nearest of all: a subject that touches the border must not erase itself.
    nearest = np.sqrt(np.maximum(np.partition(squares, TOUCHING, axis=1)[:, TOUCHING], 0))
    return (nearest > APART).reshape(pixels.shape[:2])


def histogram(colours: np.ndarray) -> np.ndarray:
    """(n, 3) colours of 0 to 255 to a histogram (BINS ** 3,) that sums to 1; each counts in its 8 nearest bins."""
    at = colours.astype(np.float64) / 255 * (BINS - 1)
    low = np.minimum(at.astype(int), BINS - 2)
    part = at - low
    counts = np.zeros((BINS, BINS, BINS))
    for corner in np.ndindex(2, 2, 2):
        share = np.prod(np.where(corner, part, 1 - part), axis=1)
        np.add.at(counts, tuple((low + corner).T), share)
    return counts.ravel() / max(len(colours), 1)


def solid(mask: np.ndarray) -> np.ndarray:
    """The mask without specks and with its holes filled: eyes as white as the ground are still inside the figure."""
    smooth = Image.fromarray(np.pad(mask, 1).astype(np.uint8) * 255).filter(ImageFilter.MedianFilter(5))
    ImageDraw.floodfill(smooth, (0, 0), 128)
    return np.asarray(smooth)[1:-1, 1:-1] != 128


def silhouette(mask: np.ndarray) -> np.ndarray | None:
    """The solid mask moved to the middle and scaled to a fixed area, on a SILHOUETTE square; None if it is empty."""
    mask = solid(mask)
    if mask.mean() < LEAST:
        return None
    ys, xs = np.nonzero(mask)
    grid = (np.arange(SILHOUETTE) - (SILHOUETTE - 1) / 2) / (SILHOUETTE * 0.42) * np.sqrt(len(ys))
    rows = np.rint(ys.mean() + grid).astype(int)
    columns = np.rint(xs.mean() + grid).astype(int)
    padded = np.pad(mask, mask.shape[0])
    limit = padded.shape[0] - 1
    return padded[np.ix_(np.clip(rows + mask.shape[0], 0, limit), np.clip(columns + mask.shape[0], 0, limit))]


def _look(image: Image.Image) -> _Look:
    pixels = np.asarray(image.convert("RGB").resize((SIDE, SIDE), Image.Resampling.BOX))
    mask = subject_mask(pixels)
    whole = histogram(pixels.reshape(-1, 3))
    if mask.mean() < LEAST:
        return _Look(np.zeros_like(whole), whole, None)
    return _Look(histogram(pixels[mask]), whole, silhouette(mask))


def _apart(a: np.ndarray, b: np.ndarray) -> float:
    """Total variation of two histograms; 1 when one of them is empty."""
    return 1.0 if not a.any() or not b.any() else float(np.abs(a - b).sum() / 2)


def _outlines_apart(a: np.ndarray | None, b: np.ndarray | None) -> float:
    if a is None or b is None:
        return 1.0
    overlap = (a & b).sum() / max((a | b).sum(), 1)
    return min(1.0, (1 - float(overlap)) / FAR_SHAPE)


def concept_distance(generated: list[Image.Image], concept: list[Image.Image]) -> Distance:
    """How far the generated pictures are from the concept's, each from its nearest, averaged over the generated.

    Colours are compared with the mean over the concept's pictures, outlines with the nearest of them.
    """
    if not generated or not concept:
        raise ValueError("concept_distance needs at least one picture on each side")
    made, wanted = [_look(image) for image in generated], [_look(image) for image in concept]
    subject, whole = (np.mean([getattr(look, name) for look in wanted], axis=0) for name in ("subject", "whole"))
    return Distance(
        colour=float(np.mean([_apart(look.subject, subject) for look in made])),
        shape=float(np.mean([min(_outlines_apart(look.silhouette, w.silhouette) for w in wanted) for look in made])),
        palette=float(np.mean([_apart(look.whole, whole) for look in made])),
    )
