"""Where bars or a frame end, to the pixel: the check finds them in a small copy, a crop leaves no line of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from loratui.curation.checks.damage import DIFFERENT, SMALL, STRAIGHT, inside_bars

if TYPE_CHECKING:
    from numpy import ndarray

BEHIND = 3  # px at most that an edge is mixed over by scaling and coding
MIXED = 1.5  # times the usual step between two lines of the picture, that a mixed line is away from it


def without_bars(rgb: ndarray) -> tuple[int, int, int, int] | None:
    """The edges of what is no bar, in pixels: left, top, right, bottom; None where there are no bars."""
    import numpy as np

    box = inside_bars(rgb)
    if box[2:] == (1.0, 1.0):
        return None
    height, width = rgb.shape[:2]
    left, top = round(box[0] * width), round(box[1] * height)
    right, bottom = left + round(box[2] * width), top + round(box[3] * height)
    reach = round(2 * max(1.0, max(rgb.shape[:2]) / SMALL)) + 2
    middle = rgb.astype(np.int16)
    top, bottom = _edges(middle[:, left:right], top, bottom, reach)
    left, right = _edges(middle[top:bottom].transpose(1, 0, 2), left, right, reach)
    return (left, top, right, bottom) if right - left > 1 and bottom - top > 1 else None


def _edges(lines: ndarray, first: int, last: int, reach: int) -> tuple[int, int]:
    """The first line of the picture and the one behind its last; those at an end are no bar and stay."""
    begin = _after(lines, first, reach) if first else 0
    end = len(lines) - _after(lines[::-1], len(lines) - last, reach) if last < len(lines) else last
    return begin, end


def _after(lines: ndarray, near: int, reach: int) -> int:
    """The first line that is no bar, around line `near`, and none that is mixed with it."""
    import numpy as np

    colour = np.median(lines[max(0, near - reach - 1)], axis=0)
    last = min(len(lines) - BEHIND - 2, near + reach)
    differs = [
        float((np.abs(lines[at] - colour).max(axis=1) > DIFFERENT).mean()) >= STRAIGHT
        for at in range(max(0, near - reach), last)
    ]
    at = max(0, near - reach) + differs.index(True) if True in differs else near
    steps = np.abs(np.diff(lines[at : at + 2 * BEHIND + 1], axis=0)).reshape(-1, lines[0].size).mean(axis=1)
    usual = float(np.median(steps[BEHIND:])) if len(steps) > BEHIND else float("inf")
    wide = [by for by in range(min(BEHIND, len(steps))) if steps[by] > MIXED * usual + 1]
    return at + wide[-1] + 1 if wide else at
