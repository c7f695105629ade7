"""Which pictures share their colours, and so most likely one backdrop and one set of clothes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
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
    found: list[int | None] = [None] * len(looks)
    if len(known) < 2:
        return found
    groups = (members for members in _groups([looks[place] for place in known]) if len(members) > 1)
    for number, members in enumerate(groups):
        for one in members:
            found[known[one]] = number
    return found


def _groups(looks: list[bytes]) -> Iterator[list[int]]:
    """The places of those that look alike, in the order of the first of each.

    A picture joins the group that it is nearest to on average, never by one member alone: else a chain of small steps
    joins what has nothing in common.
    """
    import numpy as np

    rows = np.array([np.frombuffer(look, np.uint8) for look in looks], np.float32)
    rows /= np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-6)
    sums, counts = np.empty_like(rows), np.zeros(len(rows), np.float32)
    members: list[list[int]] = []
    for place, row in enumerate(rows):
        apart = 1 - sums[: len(members)] @ row / np.maximum(counts[: len(members)], 1)  # the mean over its members
        best = int(np.argmin(apart)) if len(members) else 0
        if not members or apart[best] >= SAME:
            sums[len(members)], counts[len(members)] = row, 1
            members.append([place])
        else:
            sums[best] += row
            counts[best] += 1
            members[best].append(place)
    yield from members
