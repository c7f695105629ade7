"""One picture in the sizes that the checks look at: each is made once, from the next larger one that is there."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from loratui.curation.pixels import opencv

if TYPE_CHECKING:
    from numpy import ndarray
    from PIL.Image import Image

FROM_THE_WHOLE = (1024, 640)  # px of the longer side; others are halves of these and quarters: exact, and at once
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


class Sizes:
    """A picture (upright, sRGB) whole and made smaller: resized as a whole three times, whatever is asked of it."""

    def __init__(self, picture: Image) -> None:
        self._picture = picture
        self._made: dict[int, ndarray] = {}

    def turned(self, turns: int) -> Sizes:
        """The picture turned so many quarters to the left."""
        from PIL.Image import Transpose

        return Sizes(
            self._picture.transpose((Transpose.ROTATE_90, Transpose.ROTATE_180, Transpose.ROTATE_270)[turns - 1])
        )

    @cached_property
    def rgb(self) -> ndarray:
        """All of it: (height, width, 3)."""
        import numpy as np

        return np.asarray(self._picture)

    @cached_property
    def _grey(self) -> Image:
        return self._picture.convert("L")

    @cached_property
    def levels(self) -> ndarray:
        """All of it in grey: (height, width)."""
        import numpy as np

        return np.asarray(self._grey)

    @cached_property
    def small_levels(self) -> ndarray:
        """In grey, within SHOT_SIDE px, of pixels that were averaged: edges stay where they are."""
        cv2 = opencv()
        grey: ndarray = cv2.cvtColor(self.within(SHOT_SIDE), cv2.COLOR_RGB2GRAY)
        return grey

    @cached_property
    def normal(self) -> Image:
        """In grey, brought to AREA px where it has more."""
        from PIL import Image as Pillow

        grey = self._grey
        scale = (AREA / (grey.width * grey.height)) ** 0.5
        if scale >= 1:
            return grey
        size = (max(1, round(grey.width * scale)), max(1, round(grey.height * scale)))
        return grey.resize(size, Pillow.Resampling.LANCZOS)

    @cached_property
    def shot(self) -> Image:
        """In grey, within SHOT_SIDE px."""
        from PIL import Image as Pillow

        small = self.normal.copy()
        small.thumbnail((SHOT_SIDE, SHOT_SIDE), Pillow.Resampling.LANCZOS)
        return small

    def within(self, side: int) -> ndarray:
        """In colours, with at most `side` px of its longer side: one of FROM_THE_WHOLE, or made by halving one."""
        if side not in self._made:
            whole = side in FROM_THE_WHOLE or 2 * side > max(FROM_THE_WHOLE)
            self._made[side] = within(self.rgb if whole else self.within(2 * side), side)
        return self._made[side]
