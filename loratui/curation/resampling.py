"""Pillow's resampling of a grey picture as two products with sparse matrices: the same figures in a third of the time.

Each line of a matrix holds the weights of the lines that one new line is made of; what would lie beyond the border has
none, and the others are brought to a sum of one, as Pillow does it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from loratui.curation.pixels import opencv

if TYPE_CHECKING:
    from numpy import ndarray

KEPT = 32  # matrices: 100 KB each, of the sizes that the pictures of a set share


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

    cv2 = opencv()
    lines = _weights(grey.shape[0], height, filtered_by) @ grey.astype(np.float32, copy=False)
    # the lines lie one after the other in memory, the columns do not
    columns = _weights(grey.shape[1], width, filtered_by) @ cv2.transpose(lines)
    turned: ndarray = cv2.transpose(columns)
    return turned


@lru_cache(maxsize=KEPT)
def _weights(here: int, there: int, filtered_by: Callable[[ndarray], ndarray]) -> Any:
    """(there, here): how much of each line goes into each new one."""
    import numpy as np
    from scipy.sparse import csr_array

    scale = here / there
    wide = max(scale, 1.0)  # a filter is stretched where the picture becomes smaller
    middles = (np.arange(there) + 0.5) * scale
    first = np.maximum(0, (middles - REACH[filtered_by] * wide + 0.5).astype(int))
    last = np.minimum(here, (middles + REACH[filtered_by] * wide + 0.5).astype(int))
    places = first[:, None] + np.arange(int((last - first).max()))
    weights = filtered_by((places + 0.5 - middles[:, None]) / wide) * (places < last[:, None])
    weights /= weights.sum(axis=1, keepdims=True)
    there_lines, ones = np.nonzero(weights)
    values = weights[there_lines, ones].astype(np.float32)
    return csr_array((values, (there_lines, places[there_lines, ones])), shape=(there, here))
