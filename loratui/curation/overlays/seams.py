"""A straight edge that goes right across a picture, to the pixel: a collage, or a picture pasted beside another.

No lens draws one: the edges of walls and horizons are soft over two pixels or more, and lean by some. Measured on 72
photographs and on 180 collages made of them (`python -m tests.bench.curation --overlays`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from loratui.curation.sizes import within

if TYPE_CHECKING:
    from numpy import ndarray

Piece = tuple[float, float, float, float]  # x, y, width and height as fractions
DEEPEST, LEAST_SIDE = 3, 64  # cuts within cuts: a grid of four has two; px of a side that is looked at
SMALL = 512  # px of the longer side that candidates are looked for at
CANDIDATES = 4  # lines of each direction that are looked at in full size
LEAST = 2.0  # grey levels by which a candidate's mean step is over that of the lines around
CLIPPED, AROUND = 32.0, 15  # grey levels of one step that count; lines on each side that are compared
BORDER = 0.06  # of the side: so near to the edge it is a frame, which is another finding
PARTS = 8  # of its length, each of which must have its strongest step in the same line
SAME, SHARE, ABRUPT, SHARP = 0.75, 0.5, 0.75, 4.0  # of 72 photographs none has more than half of the last two
STEP, WIDE = 4.0, 10.0  # grey levels that are a step at all, and one that is wide enough to be divided by


def seam_of(grey: ndarray, small: ndarray | None = None) -> float | None:
    """Where a seam goes across, as a part of the width or the height; None where there is none."""
    found = _seam(grey, small)
    return None if found is None else found[1] / grey.shape[0 if found[0] else 1]


def _seam(grey: ndarray, small: ndarray | None) -> tuple[bool, int] | None:
    """Whether it runs from left to right, and the first line behind it, in pixels.

    `grey`: (height, width) of 8 bits, not resized since the picture was made; `small`: the same within SMALL px.
    """
    scale = max(1.0, max(grey.shape) / SMALL)
    small = within(grey, SMALL) if small is None else small
    for down, one, whole in ((False, small, grey), (True, small.T, grey.T)):
        for line in _candidates(one):
            at = _seam_at(whole, round((line + 1) * scale), round(2 * scale) + 4)
            if at is not None:
                return down, at
    return None


def pieces_of(grey: ndarray, small: ndarray | None = None) -> tuple[Piece, ...]:
    """The pictures that one was pasted together from, as boxes in fractions; empty where there is no seam."""
    found = _seam(grey, small)
    if found is None:
        return ()
    height, width = grey.shape
    down, at = found
    first, second = (
        ((0, 0, width, at), (0, at, width, height - at)) if down else ((0, 0, at, height), (at, 0, width - at, height))
    )
    whole = [piece for part in (first, second) for piece in _cut(grey, part, DEEPEST)]
    return tuple((x / width, y / height, w / width, h / height) for x, y, w, h in whole)


def _cut(grey: ndarray, part: tuple[int, int, int, int], deeper: int) -> list[tuple[int, int, int, int]]:
    x, y, w, h = part
    inner = grey[y : y + h, x : x + w]
    found = _seam(inner, None) if deeper and min(w, h) >= LEAST_SIDE else None
    if found is None:
        return [part]
    down, at = found
    parts = ((x, y, w, at), (x, y + at, w, h - at)) if down else ((x, y, at, h), (x + at, y, w - at, h))
    return [piece for each in parts for piece in _cut(grey, each, deeper - 1)]


def _candidates(small: ndarray) -> list[int]:
    """The columns whose steps stand out from those around, the most outstanding first."""
    import numpy as np

    one = small.astype(np.float32)
    steps = np.minimum(np.abs(one[:, 2:] - one[:, :-2]), CLIPPED).mean(axis=0)
    if len(steps) <= 2 * AROUND:
        return []
    padded = np.pad(steps, AROUND, mode="reflect")
    over = steps - np.median(np.lib.stride_tricks.sliding_window_view(padded, 2 * AROUND + 1), axis=1)
    edge = int(BORDER * len(over))
    over[:edge], over[len(over) - edge :] = 0, 0
    found: list[int] = []
    while len(found) < CANDIDATES and over.max() > LEAST:
        line = int(over.argmax())
        over[max(0, line - 3) : line + 4] = 0
        found.append(line)
    return found


def _seam_at(grey: ndarray, at: int, around: int) -> int | None:
    """The column near `at` before which there is one step, all of it in one pixel, from end to end; None if none is."""
    import numpy as np

    first, last = max(4, at - around), min(grey.shape[1] - 5, at + around)
    strip = grey[:, first - 4 : last + 5].astype(np.float32)
    steps = np.abs(np.diff(strip, axis=1))
    inner = slice(4, steps.shape[1] - 4)
    mean = steps.mean(axis=0)
    if last <= first or not mean[inner].size:
        return None
    line = int(mean[inner].argmax()) + 4
    parts = [int(part.mean(axis=0)[inner].argmax()) + 4 for part in np.array_split(steps, PARTS)]
    wide = np.abs(strip[:, line + 3] - strip[:, line - 2])
    clear = wide > WIDE
    beside = np.maximum.reduce([steps[:, line + by] for by in (-3, -2, 2, 3)])
    whole = bool(
        sum(one == line for one in parts) >= SAME * PARTS
        and mean[line] > SHARP * (mean[line - 1] + mean[line + 1]) / 2
        and (steps[:, line] > 1.5 * np.maximum(beside, STEP)).mean() >= SHARE
        and clear.any()
        and np.median(steps[clear, line] / wide[clear]) >= ABRUPT
    )
    return first - 4 + line + 1 if whole else None
