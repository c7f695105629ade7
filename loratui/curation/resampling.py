"""Pillow's resampling of a grey picture as two products with a matrix: the same figures in a quarter of the time.

Each line of the matrix holds the weights of the lines that one new line is made of; what would lie beyond the border
has none, and the others are brought to a sum of one, as Pillow does it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy import ndarray

KEPT = 32  # matrices of each kind: 100 to 200 KB each, of the sizes that the pictures of a set share
COLUMNS = 16  # new ones that are made at once, of nearly the same old ones
# multiplications of one product: for more numpy's library wakes threads, which wait for work at a processor's cost
AT_ONCE = 200_000


def lanczos(away: ndarray) -> ndarray:
    """Pillow's LANCZOS: sinc(x) sinc(x / 3), within 3."""
    import numpy as np

    weights: ndarray = np.where(np.abs(away) < 3, np.sinc(away) * np.sinc(away / 3), 0.0)
    return weights


def bicubic(away: ndarray) -> ndarray:
    """Pillow's BICUBIC: Keys's convolution with a = -0.5, within 2."""
    import numpy as np

    away = np.abs(away)
    near, far = (1.5 * away - 2.5) * away**2 + 1, ((-0.5 * away + 2.5) * away - 4) * away + 2
    weights: ndarray = np.where(away < 1, near, np.where(away < 2, far, 0.0))
    return weights


REACH: dict[Callable[[ndarray], ndarray], int] = {lanczos: 3, bicubic: 2}


def resampled(grey: ndarray, height: int, width: int, filtered_by: Callable[[ndarray], ndarray]) -> ndarray:
    """A grey picture (height, width) in another size: fp32, of fp32 or of 8 bits, in grey levels and not rounded."""
    import numpy as np

    # whole lines are added to each other; columns do not lie in one piece, so some are taken at once as they stand
    lines = _sparse(grey.shape[0], height, filtered_by) @ grey.astype(np.float32, copy=False)
    first, weights = _bands(grey.shape[1], width, filtered_by)
    made = np.empty((height, width), np.float32)
    here = weights.shape[1]
    tall = min(height, max(1, AT_ONCE // (COLUMNS * here)))
    for top in (0, height - height % tall):
        old, new = (_in_parts(one[top:], tall if not top else height % tall) for one in (lines, made))
        for band, column in enumerate(first):
            there = new[:, :, band * COLUMNS : (band + 1) * COLUMNS]
            np.matmul(old[:, :, column : column + here], weights[band, :, : there.shape[2]], out=there)
    return made


def _in_parts(lines: ndarray, tall: int) -> ndarray:
    """The same memory as (parts, lines of each, columns), without the lines that are left over."""
    count = len(lines) // tall if tall else 0
    return lines[: count * tall].reshape(count, tall, lines.shape[1])


def _weights(here: int, there: int, filtered_by: Callable[[ndarray], ndarray]) -> tuple[ndarray, ndarray]:
    """Of each of `there` new lines which of the old ones it is made of, and how much of each: (there, taps) both."""
    import numpy as np

    scale = here / there
    wide = max(scale, 1.0)  # a filter is stretched where the picture becomes smaller
    middles = (np.arange(there) + 0.5) * scale
    first = np.maximum(0, (middles - REACH[filtered_by] * wide + 0.5).astype(int))
    last = np.minimum(here, (middles + REACH[filtered_by] * wide + 0.5).astype(int))
    places = first[:, None] + np.arange(int((last - first).max()))
    weights = filtered_by((places + 0.5 - middles[:, None]) / wide) * (places < last[:, None])
    return places, weights / weights.sum(axis=1, keepdims=True)


@lru_cache(maxsize=KEPT)
def _sparse(here: int, there: int, filtered_by: Callable[[ndarray], ndarray]) -> Any:
    """(there, here): how much of each line goes into each new one."""
    import numpy as np
    from scipy.sparse import csr_array

    places, weights = _weights(here, there, filtered_by)
    line, tap = np.nonzero(weights)
    values = weights[line, tap].astype(np.float32)
    return csr_array((values, (line, places[line, tap])), shape=(there, here))


@lru_cache(maxsize=KEPT)
def _bands(here: int, there: int, filtered_by: Callable[[ndarray], ndarray]) -> tuple[list[int], ndarray]:
    """The same for COLUMNS new ones at a time: the first old one of each band, and (bands, old ones, COLUMNS)."""
    import numpy as np

    places, weights = _weights(here, there, filtered_by)
    first = places[::COLUMNS, 0]
    line, tap = np.nonzero(weights)
    band, old = line // COLUMNS, places[line, tap]
    many = int((old - first[band]).max()) + 1
    first = np.minimum(first, here - many)
    dense = np.zeros((len(first), many, COLUMNS), np.float32)
    dense[band, old - first[band], line % COLUMNS] = weights[line, tap]
    return first.tolist(), dense
