"""One picture in the sizes that the checks look at: each is made once, from the next larger one that is there."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from loratui.curation.pixels import opencv
from loratui.curation.resampling import lanczos, resampled

if TYPE_CHECKING:
    from numpy import ndarray
    from PIL.Image import Image

LARGEST = 1024  # px of the longer side; halves of it and quarters are exact, and at once
AREA = 1024 * 1024  # px of the grey that blur, noise and light are measured on, as in training
SHOT_SIDE = 512  # px of the longer side that shots are compared at


def within(pixels: ndarray, side: int) -> ndarray:
    """A picture (height, width[, 3]) with at most `side` px of its longer side: itself, where it has no more."""
    scale = side / max(pixels.shape[:2])
    if scale >= 1:
        return pixels
    cv2 = opencv()
    height, width = pixels.shape[:2]
    if min(height, width) * scale < 1:
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        thin: ndarray = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
        return thin
    small: ndarray = cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return small


def histogram(grey: ndarray) -> ndarray:
    """How many pixels have each of the 256 levels; numpy's own count makes eight bytes of each pixel first."""
    counts: ndarray = opencv().calcHist([grey], [0], None, [256], [0, 256]).ravel()
    return counts


def percentiles(levels: ndarray, asked: tuple[float, ...]) -> tuple[float, ...]:
    """`numpy.percentile` of 8-bit levels, to the last bit, out of a count of them: nothing is put in order."""
    import numpy as np

    sums = np.cumsum(histogram(levels).astype(np.int64))
    found = []
    for percent in asked:
        at = (int(sums[-1]) - 1) * (percent / 100)
        low, part = int(at), at - int(at)
        one, next_one = (
            float(np.searchsorted(sums, place, side="right")) for place in (low, min(low + 1, sums[-1] - 1))
        )
        # from the nearer of both, as numpy does
        found.append(one + (next_one - one) * part if part < 0.5 else next_one - (next_one - one) * (1 - part))
    return tuple(found)


def median(levels: ndarray) -> float:
    """`numpy.median` of 8-bit levels, in the same way."""
    return percentiles(levels, (50,))[0]


def steps_between(grey: ndarray, axis: int) -> ndarray:
    """The mean step from each line of 8 bits to the next one, in grey levels: (lines - 1,).

    Counted in whole numbers, a byte a pixel: in fp32 a large picture takes twelve for a moment. OpenCV adds up the
    lines of a large picture in a quarter of numpy's time.
    """
    cv2 = opencv()
    one, next_one = (grey[:-1], grey[1:]) if axis == 0 else (grey[:, :-1], grey[:, 1:])
    sums = cv2.reduce(cv2.absdiff(one, next_one), 1 - axis, cv2.REDUCE_SUM, dtype=cv2.CV_32S).ravel()
    means: ndarray = sums / grey.shape[1 - axis]
    return means


class Sizes:
    """A picture (upright, sRGB) whole and made smaller: it is gone through as a whole twice, whatever is asked of it.

    Whole it is held once in colours and once in grey, four bytes a pixel.
    """

    def __init__(self, rgb: ndarray) -> None:
        cv2 = opencv()
        self.rgb = rgb  # all of it: (height, width, 3)
        self.levels: ndarray = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)  # the same in grey: (height, width)
        self.normal = _normal(self.levels)
        self._made: dict[int, ndarray] = {}

    def turned(self, turns: int) -> Sizes:
        """The picture turned so many quarters to the left."""
        import numpy as np

        return Sizes(np.ascontiguousarray(np.rot90(self.rgb, turns)))

    @cached_property
    def counts(self) -> ndarray:
        """How many pixels have each of the 256 greys."""
        return histogram(self.levels)

    @cached_property
    def small_levels(self) -> ndarray:
        """In grey, within SHOT_SIDE px, of pixels that were averaged: edges stay where they are."""
        cv2 = opencv()
        grey: ndarray = cv2.cvtColor(self.within(SHOT_SIDE), cv2.COLOR_RGB2GRAY)
        return grey

    @cached_property
    def shot(self) -> Image:
        """In grey, within SHOT_SIDE px."""
        from PIL import Image as Pillow

        small = Pillow.fromarray(self.normal)
        small.thumbnail((SHOT_SIDE, SHOT_SIDE), Pillow.Resampling.LANCZOS)
        return small

    def within(self, side: int) -> ndarray:
        """In colours, with at most `side` px of its longer side."""
        if side not in self._made:
            half = 2 * side <= LARGEST
            larger = self.rgb if side >= LARGEST else self.within(2 * side if half else LARGEST)
            self._made[side] = within(larger, side)
        return self._made[side]


def _normal(grey: ndarray) -> ndarray:
    """In grey, brought to AREA px where it has more."""
    cv2 = opencv()
    height, width = grey.shape
    scale = (AREA / (height * width)) ** 0.5
    if scale >= 1:
        return grey
    exact = resampled(grey, max(1, round(height * scale)), max(1, round(width * scale)), lanczos)
    rounded: ndarray = cv2.add(exact, 0.0, dtype=cv2.CV_8U)
    return rounded
