"""What programs do to a picture by hand: few levels (posterised), colours beyond what a file holds, pixels in blocks.

Thresholds were chosen on every second of 72 photographs and what was made of them, and checked on the others.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from loratui.curation.pixels import opencv
from loratui.curation.sizes import histogram, steps_between

if TYPE_CHECKING:
    from numpy import ndarray

FEW_COLOURS, FEW_GREYS, ASKED = 64, 16, 4096  # a photograph has 20,000 and more; pixels that are asked first
SIDE = 768  # px of the middle that levels are counted in
STILL, LEAST = 10, 0.02  # grey levels within 3 x 3 px of a calm place; the share of the picture that must be calm
MOST_ALIKE, COUNTS, FULL = 0.02, 0.01, 0.08  # a level's share at most; a step's share that counts, and counts in full
STEPS = (*range(3, 18), 64, 32, 16)  # levels a channel that are tried; above 17 the distance of those that masks leave
FEW = 3  # steps that must be filled
BANDED = 0.5  # 72 photographs, also brighter, smaller and coarsely saved, have 0.45 at most; 8 levels 0.58 and more
LOW, HIGH, MIDDLE = 4, 252, (100, 150)  # a channel that is clipped where another one is far from it
CLIPPED = 0.33  # share of such pixels; of 72 photographs the most has 0.27
VIVID = 52.0  # LAB chroma of the middle of a face; of 39 the most has 42, doubled colours 43 in the middle
STANDS_OUT, SHARE, LINES = 3.0, 0.25, 6  # edges of blocks over the usual step; their share of all steps; how many
EVEN, FILLED = 0.25, 0.6  # of the distances that fit no multiple; of the multiples that have an edge
SMALLEST, JPEG = 4.0, (7.0, 9.0)  # px of a block; between these JPEG has its own


def bands_of(rgb: ndarray) -> float:
    """How much the levels of calm places stand in even steps, 0 to 1; the middle one of the three channels."""
    cv2 = opencv()
    import numpy as np

    top, left = (max(0, side - SIDE) // 2 for side in rgb.shape[:2])
    middle = np.ascontiguousarray(rgb[top : top + SIDE, left : left + SIDE])
    square = np.ones((3, 3), np.uint8)
    found = []
    for channel in cv2.split(middle):
        apart = cv2.subtract(cv2.dilate(channel, square), cv2.erode(channel, square))
        there = cv2.inRange(apart, 0, STILL)
        # what is not calm counts as black: a count of all takes a quarter of the time of one with a mask
        levels = histogram(cv2.bitwise_and(cv2.blur(channel, (3, 3)), there)).astype(np.float64)
        levels[:2] = levels[254:] = 0  # what is black or white is so in many a photograph
        found.append(_in_steps(levels) if cv2.countNonZero(there) >= LEAST * there.size else 0.0)
    return sorted(found)[1]


def has_few_colours(rgb: ndarray) -> bool:
    """Whether a picture has no more colours than a palette that was made for it, or greys than a few bits hold."""
    import numpy as np

    def few(pixels: ndarray) -> bool:
        red, green, blue = np.moveaxis(pixels.reshape(-1, 3).astype(np.int32), 1, 0)
        grey = bool((red == green).all() and (green == blue).all())
        return len(np.unique(red << 16 | green << 8 | blue)) <= (FEW_GREYS if grey else FEW_COLOURS)

    step = max(1, int((rgb.shape[0] * rgb.shape[1] / ASKED) ** 0.5))
    return few(rgb[::step, ::step]) and few(rgb)


def _in_steps(levels: ndarray) -> float:
    """How much of a histogram stands at one place of each step, for the steps that fit best."""
    import numpy as np

    if not levels.sum():
        return 0.0
    shares = np.minimum(levels / levels.sum(), MOST_ALIKE)  # a white wall is one level
    shares /= shares.sum()
    best = 0.0
    for place, turn in _turns():
        count = int(place[-1]) + 1
        mass = np.bincount(place, shares, count)
        filled = mass > COUNTS
        if int(filled.sum()) < FEW:
            continue
        mean = np.bincount(place, shares * turn.real, count) + 1j * np.bincount(place, shares * turn.imag, count)
        weights = np.minimum(mass, FULL)[filled]
        alike = abs((mean[filled] / mass[filled] * weights).sum() / weights.sum())
        best = max(best, float(alike * (1 - filled.sum() ** -0.5) ** 0.5))  # few steps agree by chance
    return best


@cache
def _turns() -> tuple[tuple[ndarray, ndarray], ...]:
    """For each distance of levels: in which step a level is, and where in it, as a point of a circle."""
    import numpy as np

    level = np.arange(256)
    apart = [255 / (one - 1) if one <= 17 and one != 16 else float(one) for one in STEPS]
    apart.append(255 / 15)
    return tuple(
        (np.minimum((level / one + 1e-9).astype(int), int(256 // one) - 1), np.exp(2j * np.pi * level / one))
        for one in apart
    )


def clipped_of(rgb: ndarray) -> float:
    """The share of pixels of which one channel is at its end and another far from it: colours that were pushed."""
    cv2 = opencv()
    red, green, blue = (rgb[::2, ::2, channel].copy() for channel in range(3))  # half the time of all three at once
    highest, lowest = cv2.max(cv2.max(red, green), blue), cv2.min(cv2.min(red, green), blue)
    dark = cv2.bitwise_and(cv2.inRange(lowest, 0, LOW), cv2.inRange(highest, MIDDLE[0], 255))
    light = cv2.bitwise_and(cv2.inRange(highest, HIGH, 255), cv2.inRange(lowest, 0, MIDDLE[1]))
    return float(cv2.countNonZero(cv2.bitwise_or(dark, light)) / lowest.size)


def chroma_of(rgb: ndarray, box: tuple[float, float, float, float] = (0.0, 0.0, 1.0, 1.0)) -> float:
    """The median strength of the colours (LAB) in the middle of a box, given as fractions; 0 is grey."""
    import numpy as np

    lab = _middle_of(rgb, box)
    return float(np.median(np.hypot(lab[:, :, 1], lab[:, :, 2])))


def tone_of(rgb: ndarray, box: tuple[float, float, float, float]) -> tuple[float, float]:
    """The median colour there: LAB's a (green to red) and b (blue to yellow)."""
    import numpy as np

    lab = _middle_of(rgb, box)
    return float(np.median(lab[:, :, 1])), float(np.median(lab[:, :, 2]))


def _middle_of(rgb: ndarray, box: tuple[float, float, float, float]) -> ndarray:
    cv2 = opencv()
    import numpy as np

    (x, y, w, h), (height, width) = box, rgb.shape[:2]
    part = rgb[int((y + h / 4) * height) : int((y + h * 3 / 4) * height) + 1]
    part = part[:, int((x + w / 5) * width) : int((x + w * 4 / 5) * width) + 1]
    step = max(1, max(part.shape[:2]) // 256)
    lab: ndarray = cv2.cvtColor(np.ascontiguousarray(part[::step, ::step]), cv2.COLOR_RGB2LAB).astype(np.float32) - 128
    return lab


def is_pixelated(grey: ndarray) -> bool:
    """Whether the picture stands in square blocks of one colour. `grey` must not have been resized since."""
    across, down = (_blocks(grey, axis) for axis in (1, 0))
    return bool(across and down and abs(across - down) <= max(2.0, 0.2 * across))


def _blocks(grey: ndarray, axis: int) -> float:
    """The distance of lines that stand out and are evenly spaced; 0 where there are none."""
    import numpy as np

    steps = steps_between(grey, axis)
    out = np.flatnonzero(steps > max(STANDS_OUT * float(np.median(steps)), 0.5))
    if len(out) < LINES or steps[out].sum() < SHARE * steps.sum():
        return 0.0
    lines = np.array([one[steps[one].argmax()] for one in np.split(out, np.flatnonzero(np.diff(out) > 2) + 1)])
    if len(lines) < LINES:
        return 0.0
    gaps = np.diff(lines)
    apart = float(np.median(gaps))
    fits = (np.abs(gaps - np.round(gaps / apart) * apart) <= 1.01) & (gaps < 3.5 * apart)
    even = 1 - fits.mean() <= EVEN and len(lines) >= FILLED * len(steps) / apart
    return apart if even and apart >= SMALLEST and not JPEG[0] < apart < JPEG[1] else 0.0
