"""How blurred a picture is, whole and on the face: the blur effect of Crete, Dolmiere, Ladret and Nicolas (2007)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from loratui.curation.pixels import opencv

if TYPE_CHECKING:
    from numpy import ndarray

FINER = 32  # steps of a grey level: the steepest edge, 4 x 255 of them, just fits into 16 bits
WINDOW = 11  # px of the second blur that the picture is compared with
SMALLEST_FACE = 64  # px of face height below which nothing can be said of it
PARTS, TELLING = 4, 0.5  # a grid of so many; parts with half the usual edges, or more, can tell
ROUND_THE_FACE = 0.15  # of the face's size, added on every side


def blur_effect(grey: ndarray) -> float:
    """0 is sharp, 1 is blurred: what a second blur changes little was blurred before.

    The figure of `skimage.measure.blur_effect`, to the last digit that matters, in a quarter of its time. `grey` has 8
    bits.
    """
    return max(_lost(_sum(sharp), _sum(kept)) for sharp, kept in _edges(grey))


def blur_effects(grey: ndarray) -> tuple[float, float | None]:
    """The same, and that of the second-sharpest of sixteen parts that have edges at all; None where hardly one has.

    A dog before a soft ground has sharp parts; a picture that is blurred as a whole has none.
    """
    import numpy as np

    figures, edges, lost = [], [], []
    for sharp, kept in _edges(grey):
        figures.append(_lost(_sum(sharp), _sum(kept)))
        parts = _parts(sharp)
        edges.append(parts)
        lost.append(1 - _parts(kept) / np.maximum(parts, 1e-6))
    there = edges[0] + edges[1]
    telling = np.sort(np.max(lost, axis=0)[there >= max(TELLING * float(there.mean()), 1.0)])
    return max(figures), float(telling[1]) if len(telling) > 1 else None


def _lost(sharp: float, kept: float) -> float:
    return 1 - kept / sharp if sharp > 0 else 0.0


def _edges(grey: ndarray) -> Iterator[tuple[ndarray, ndarray]]:
    """Across and along: how steep each place is, and how much of that a second blur takes, in 1/FINER grey levels.

    Sixteen bits take half the time of fp32, and half its memory.
    """
    cv2 = opencv()
    import numpy as np

    fine = grey.astype(np.int16) * np.int16(FINER)
    for dx, dy, window in ((0, 1, (1, WINDOW)), (1, 0, (WINDOW, 1))):
        kept = cv2.blur(fine, window, borderType=cv2.BORDER_REFLECT)
        kept = cv2.Sobel(kept, cv2.CV_16S, dx, dy, ksize=3, borderType=cv2.BORDER_REFLECT)
        sharp = cv2.Sobel(fine, cv2.CV_16S, dx, dy, ksize=3, borderType=cv2.BORDER_REFLECT)
        np.abs(kept, out=kept)
        np.abs(sharp, out=sharp)
        # neither is below 0: as numbers without a sign what is less than nothing is nothing, and one pass does it
        cv2.subtract(sharp.view(np.uint16), kept.view(np.uint16), dst=kept.view(np.uint16))
        yield sharp[2:-1, 2:-1], kept[2:-1, 2:-1]
        del sharp, kept


def _sum(values: ndarray) -> float:
    """In grey levels."""
    return float(opencv().sumElems(values)[0]) / FINER if values.size else 0.0


def _parts(values: ndarray) -> ndarray:
    """Sums over a grid of PARTS by PARTS."""
    import numpy as np

    height, width = (side // PARTS for side in values.shape)
    rows = (values[y * height : (y + 1) * height] for y in range(PARTS))
    return np.array([[_sum(row[:, x * width : (x + 1) * width]) for x in range(PARTS)] for row in rows])


def face_part(grey: ndarray, box: tuple[float, float, float, float]) -> ndarray | None:
    """The face (x, y, width, height as fractions of the picture) with its surroundings; None where it is too small."""
    height, width = grey.shape
    x, y, w, h = box[0] * width, box[1] * height, box[2] * width, box[3] * height
    if h < SMALLEST_FACE:
        return None
    left, top = max(0, int(x - w * ROUND_THE_FACE)), max(0, int(y - h * ROUND_THE_FACE))
    right, bottom = int(x + w * (1 + ROUND_THE_FACE)), int(y + h * (1 + ROUND_THE_FACE))
    return grey[top:bottom, left:right]
