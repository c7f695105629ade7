"""How a face is turned and lit, and whether that varies over a set: the seed wants poses and light to vary.

Expression is not measured: five points and a box do not tell it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from loratui.curation.people.faces import Face
from loratui.curation.people.framing import PEOPLE
from loratui.curation.report import Finding, PictureReport
from loratui.curation.sizes import median
from loratui.terminal.text import plural

if TYPE_CHECKING:
    from numpy import ndarray

ENOUGH = 6  # faces before it is said that they do not vary
NEARLY_ALL = 0.9  # of them
STRAIGHT = 0.12  # nose beside the eyes' middle, in distances of the eyes: of 37 portraits 29 lie below
CHEEK = 0.18  # half the side of the square that a cheek is measured on, in distances of the eyes
LEAST = 40  # px of the face's height
SIDEWAYS = 0.3  # powers of two between the cheeks: light from one side; of 37 portraits 11 lie above
SAME_LIGHT = 20  # grey levels by which the faces' brightness differs at most where all are lit alike


def turn_of(face: Face, width: int, height: int) -> float | None:
    """Where the nose is beside the middle of the eyes, in distances of the eyes: 0 looks straight, + to the right."""
    if len(face.points) < 6:
        return None
    (ax, ay), (bx, by), (nx, ny) = (
        (x * width, y * height) for x, y in zip(face.points[:6:2], face.points[1:6:2], strict=True)
    )
    apart = math.hypot(bx - ax, by - ay)
    if apart < 1:
        return None
    return ((nx - (ax + bx) / 2) * (bx - ax) + (ny - (ay + by) / 2) * (by - ay)) / apart**2


def cheeks_of(grey: ndarray, face: Face) -> tuple[int, int] | None:
    """The medians of both cheeks, the left one in the picture first; None where the face is too small."""
    import numpy as np

    height, width = grey.shape
    if len(face.points) < 10 or face.box[3] * height < LEAST:
        return None
    x, y = np.array(face.points[::2]) * width, np.array(face.points[1::2]) * height
    reach = max(2, int(CHEEK * math.hypot(x[1] - x[0], y[1] - y[0])))
    found = []
    for eye, mouth in ((0, 3), (1, 4)):
        column, row = int((x[eye] + x[mouth]) / 2), int((y[eye] + y[mouth]) / 2)
        part = grey[max(0, row - reach) : row + reach + 1, max(0, column - reach) : column + reach + 1]
        if not part.size:
            return None
        found.append(int(median(part)))
    return found[0], found[1]


def from_the_side(cheeks: tuple[int, int]) -> float:
    """How much more light the left cheek has, in powers of two; the blackest levels are alike."""
    return math.log2((cheeks[0] + 8) / (cheeks[1] + 8))


def pose_findings(pictures: Sequence[PictureReport], kind: str) -> tuple[Finding, ...]:
    """Hints where nearly all faces look the same way, or are lit the same way."""
    if kind not in PEOPLE:
        return ()
    first = [one for one in pictures if not one.better]  # a copy adds nothing to either side
    return (*_turns([one.turn for one in first if one.turn is not None]), *_light(first))


def _turns(turns: Sequence[float]) -> list[Finding]:
    straight = sum(abs(one) < STRAIGHT for one in turns)
    left, right = sum(one <= -STRAIGHT for one in turns), sum(one >= STRAIGHT for one in turns)
    most = max(straight, left, right)
    if len(turns) < ENOUGH or most < NEARLY_ALL * len(turns):
        return []
    where = "straight into the camera" if most == straight else f"to the {'left' if most == left else 'right'}"
    said = f"{most} of {plural(len(turns), 'face')} look {where}: other sides would have to be guessed"
    remedy = "add some with the head turned to either side, up and down"
    return [Finding("same-pose", "hint", "", [straight, left, right], said, remedy)]


def _light(pictures: Sequence[PictureReport]) -> list[Finding]:
    cheeks = [one.cheeks for one in pictures if one.cheeks is not None]
    if len(cheeks) < ENOUGH:
        return []
    sides = [0 if abs(found := from_the_side(one)) < SIDEWAYS else 1 if found > 0 else -1 for one in cheeks]
    levels = sorted((left + right) / 2 for left, right in cheeks)
    middle = levels[len(levels) // 2]
    alike = [abs((left + right) / 2 - middle) <= SAME_LIGHT for left, right in cheeks]
    for side, words in ((0, "evenly"), (1, "from the left"), (-1, "from the right")):
        count = sum(one == side and near for one, near in zip(sides, alike, strict=True))
        if count >= NEARLY_ALL * len(cheeks):
            said = f"{count} of {plural(len(cheeks), 'face')} are lit alike, {words} and equally brightly"
            remedy = "add some in other light: from a window, outdoors, in the evening"
            return [Finding("same-light", "hint", "", count, said, remedy)]
    return []
