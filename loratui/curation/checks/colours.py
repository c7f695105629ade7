"""Which pictures share their colours, and so most likely one backdrop and one set of clothes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from loratui.curation.pixels import opencv

if TYPE_CHECKING:
    from numpy import ndarray

BINS = (6, 8, 8)  # of lightness and the two colour axes of LAB
SAME = 0.11  # distance; 69 of 74 pairs of one shooting, 0.5 % of unrelated pairs (design/curation.md)
SIDE = 256  # px of the longer side that is enough for colours


def look_of(rgb: ndarray) -> bytes:
    """The histogram of an RGB picture's colours: roots of shares, 0 to 255."""
    cv2 = opencv()
    import numpy as np

    scale = min(1.0, SIDE / max(rgb.shape[:2]))
    small = cv2.resize(rgb, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    lab = cv2.cvtColor(small, cv2.COLOR_RGB2LAB)
    counts = cv2.calcHist([lab], [0, 1, 2], None, list(BINS), [0, 256] * 3).ravel()
    return bytes(np.round(np.sqrt(counts / counts.sum()) * 255).astype(np.uint8))


def look_groups(looks: Sequence[bytes]) -> list[int | None]:
    """A number for each picture, the same for those that look alike (also over others); None: like no other."""
    known = [place for place, look in enumerate(looks) if look]
    group = list(range(len(looks)))
    if len(known) > 1:
        for a, b in _pairs(looks, known):
            old, new = group[b], group[a]
            group = [new if one == old else one for one in group]
    numbers: dict[int, int] = {}
    for one in group:
        if group.count(one) > 1:
            numbers.setdefault(one, len(numbers))
    return [numbers.get(one) for one in group]


def _pairs(looks: Sequence[bytes], known: list[int]) -> list[tuple[int, int]]:
    import numpy as np

    rows = np.array([np.frombuffer(looks[place], np.uint8) for place in known], np.float32)
    rows /= np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-6)
    close = np.triu(1 - rows @ rows.T < SAME, 1)
    return [(known[int(a)], known[int(b)]) for a, b in zip(*np.nonzero(close), strict=True)]
