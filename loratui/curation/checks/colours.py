"""Which pictures share their colours: as a whole, of the clothes below a face, of the ground beside the person."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from loratui.curation.likeness import groups, of_length_one
from loratui.curation.pixels import opencv
from loratui.curation.report import Box
from loratui.curation.sizes import within

if TYPE_CHECKING:
    from numpy import ndarray

BINS = (6, 8, 8)  # of lightness and the two colour axes of LAB
SAME = 0.11  # distance; 69 of 74 pairs of one shooting, 0.5 % of unrelated pairs (design/curation.md)
# of 37 faces the nearest other clothes have 0.052, the nearest other ground 0.104
SAME_CLOTHES, SAME_GROUND = 0.05, 0.10
# of a person, in sizes of the face: where the clothes begin and end below the chin; the hair; half the body
NECK, CHEST, HAIR, BODY = 0.4, 2.0, 0.5, 2.0
LEAST_CLOTHES, LEAST_GROUND = (0.5, 1.2), 0.2  # in sizes of the face (high, wide); share of the picture
SIDE = 256  # px of the longer side that is enough for colours


def small_lab(rgb: ndarray) -> ndarray:
    """An RGB picture in LAB, as small as is enough for colours."""
    cv2 = opencv()
    lab: ndarray = cv2.cvtColor(within(rgb, SIDE), cv2.COLOR_RGB2LAB)
    return lab


def look_of(lab: ndarray) -> bytes:
    """The histogram of a picture's colours: roots of shares, 0 to 255."""
    return _packed(lab, None)


def parts_of(lab: ndarray, face: Box) -> tuple[bytes, bytes]:
    """The same of the clothes below a face (fractions of the picture), and of the ground beside the person.

    Empty where the picture shows too little of either.
    """
    import numpy as np

    height, width = lab.shape[:2]
    x, y, w, h = face[0] * width, face[1] * height, face[2] * width, face[3] * height
    middle, chin = x + w / 2, y + h
    top, bottom = int(chin + NECK * h), int(min(height, chin + CHEST * h))
    left, right = int(max(0.0, middle - w)), int(min(width, middle + w))
    clothes = b""
    if bottom - top >= LEAST_CLOTHES[0] * h and right - left >= LEAST_CLOTHES[1] * w:
        clothes = _packed(np.ascontiguousarray(lab[top:bottom, left:right]), None)
    ground = np.full((height, width), 255, np.uint8)
    ground[int(max(0.0, y - HAIR * h)) :, int(max(0.0, middle - BODY * w)) : int(min(width, middle + BODY * w))] = 0
    return clothes, _packed(lab, ground) if (ground > 0).mean() > LEAST_GROUND else b""


def _packed(lab: ndarray, mask: ndarray | None) -> bytes:
    import numpy as np

    counts = opencv().calcHist([lab], [0, 1, 2], mask, list(BINS), [0, 256] * 3).ravel()
    return bytes(np.round(np.sqrt(counts / counts.sum()) * 255).astype(np.uint8))


def look_groups(looks: Sequence[bytes], same: float = SAME) -> list[int | None]:
    """A number for each picture, the same for those that look alike on average; None: like no other, or no look."""
    known = [place for place, look in enumerate(looks) if look]
    found: list[int | None] = [None] * len(looks)
    if len(known) < 2:
        return found
    alike = groups(of_length_one([looks[place] for place in known], "uint8"), same)
    for number, members in enumerate(one for one in alike if len(one) > 1):
        for member in members:
            found[known[member]] = number
    return found
