"""Was the picture enlarged from a small one: the finest details are missing while coarser ones are there, or pixels
stand in blocks.

Measured on 71 photographs and on what was made of them (JPEG 90): none of the originals but two that look enlarged,
95 % of those enlarged twice, 98 % at three to four times, 90 % of those whose pixels were only repeated.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from loratui.curation.pixels import opencv
from loratui.curation.resampling import bicubic, lanczos, resampled
from loratui.curation.sizes import steps_between

if TYPE_CHECKING:
    from numpy import ndarray

SIDE = 1024  # px of the middle that are looked at
SMALLEST = 256  # px of the shorter side; less has too few tiles that tell
GRID = 8  # tiles a side
ENOUGH = 4.0  # squared grey levels that quartering must lose in a tile before the tile can tell anything
TILES = 4  # that can tell something, at least
PERCENTILE = 75
FINEST = 0.16  # below this the finest scale is empty: enlarged about twice
NEXT = 0.14  # the same of the picture at half its size: enlarged four times and more
STEPS = 0.17  # share of the columns, or rows, that repeat the one before
BLOCK = 8  # px; JPEG has steps of its own at every eighth
FLAT_BLOCKS = 0.06  # steps inside such blocks over steps between them: pixels repeated eight times


def is_enlarged(grey: ndarray) -> bool | None:
    """Whether the picture was made from a smaller one; None where nothing in it can tell."""
    import numpy as np

    if min(grey.shape) < SMALLEST:
        return None
    grey = _in_fours(_middle(grey))
    exact = grey.astype(np.float32)
    half = _made_smaller(exact, 2)
    next_one = _in_fours(np.clip(np.rint(half), 0, 255))  # as a picture of that size would be
    finest, following = detail_ratio(exact, half), detail_ratio(next_one, _made_smaller(next_one, 2))
    if finest is None and following is None:
        return None
    smooth = (finest is not None and finest < FINEST) or (following is not None and following < NEXT)
    return smooth or repeats_pixels(grey)


def detail_ratio(grey: ndarray, half: ndarray) -> float | None:
    """What halving loses over what quartering loses: near 0 where the finest scale is empty. None: cannot be told.

    `half` is `grey`, whose sides can be divided by four, made smaller by two; both in fractions of grey levels, for
    rounding is a finest detail too.
    """
    import numpy as np

    if min(grey.shape) < 8 * GRID:
        return None
    little, much = (_tiles(_loss(grey, small)) for small in (half, _made_smaller(grey, 4)))
    telling = much > ENOUGH
    if int(telling.sum()) < TILES:
        return None
    return float(np.percentile(little[telling] / much[telling], PERCENTILE))


def repeats_pixels(grey: ndarray) -> bool:
    """Whether columns and rows come in repeats: enlarged without smoothing."""
    shares, inside = zip(*(_steps(grey, axis) for axis in (0, 1)), strict=True)
    return bool(min(shares) > STEPS or max(inside) < FLAT_BLOCKS)


def _steps(grey: ndarray, axis: int) -> tuple[float, float]:
    """The share of lines that hardly differ from their neighbour though the next ones do, and the steps in blocks."""
    import numpy as np

    steps = steps_between(grey, axis)
    edges = np.arange(BLOCK - 1, len(steps) - 1, BLOCK)
    between = np.zeros(len(steps), bool)
    between[edges] = True
    inside = float(steps[~between].mean() / max(float(steps[between].mean()), 1e-6))
    steps[edges] = (steps[edges - 1] + steps[edges + 1]) / 2
    around = np.max([np.roll(steps, shift) for shift in range(-2, 3)], axis=0)
    return float((steps < 0.4 * around).mean()), inside


def _middle(grey: ndarray) -> ndarray:
    """At most SIDE x SIDE px from the middle, cut where JPEG's blocks begin."""
    top, left = (max(0, size - SIDE) // (2 * BLOCK) * BLOCK for size in grey.shape)
    return grey[top : top + SIDE, left : left + SIDE]


def _in_fours(grey: ndarray) -> ndarray:
    return grey[: grey.shape[0] // 4 * 4, : grey.shape[1] // 4 * 4]


def _made_smaller(grey: ndarray, factor: int) -> ndarray:
    return resampled(grey, grey.shape[0] // factor, grey.shape[1] // factor, lanczos)


def _loss(grey: ndarray, small: ndarray) -> ndarray:
    """What the picture made smaller has lost, in squared grey levels."""
    height, width = grey.shape
    lost: ndarray = opencv().subtract(grey, resampled(small, height, width, bicubic))
    lost *= lost
    return lost


def _tiles(loss: ndarray) -> ndarray:
    """The mean of each tile of the grid, in one row."""
    height, width = loss.shape[0] // GRID * GRID, loss.shape[1] // GRID * GRID
    means: ndarray = loss[:height, :width].reshape(GRID, height // GRID, GRID, width // GRID).mean(axis=(1, 3))
    return means.ravel()
