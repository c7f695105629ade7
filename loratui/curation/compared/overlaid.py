"""Which of two copies has something laid over it or painted out: a watermark, words, a sticker, a bar, blocks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from loratui.curation.pixels import opencv

if TYPE_CHECKING:
    from numpy import ndarray

ASPECT = 0.02  # by which the copies' proportions may differ; a crop cannot be compared so
LEAST, MOST = 0.002, 0.3  # of the picture that differs: less is nothing, more is another picture
LEVELS = 18.0  # grey levels of a difference that shows
TIMES = 4.0  # and so many times the usual one
BUSIER = 1.3  # edges around it, over the other copy's
THUMB, EDGE = 48, 3  # px of a side, and left out at each end
ALIKE = 0.88  # correlation of what shows the same, whatever its light and proportions


def thumb_of(packed: bytes) -> ndarray | None:
    """The middle of THUMB x THUMB of a packed grey, of mean 0 and length 1; None where there is nothing to compare."""
    cv2 = opencv()
    import numpy as np

    if not packed:
        return None
    grey = cv2.imdecode(np.frombuffer(packed, np.uint8), cv2.IMREAD_GRAYSCALE)
    small = cv2.resize(grey, (THUMB, THUMB), interpolation=cv2.INTER_AREA).astype(np.float32)
    small = small[EDGE:-EDGE, EDGE:-EDGE].copy()  # a narrow frame would outweigh all that it holds
    small -= small.mean()
    length = float(np.linalg.norm(small))
    return small / length if length > 1 else None


def framed_alike(one: ndarray | None, other: ndarray | None) -> bool:
    """Whether two of `thumb_of` show the same from edge to edge, mirrored or not: of a crop levels tell nothing."""
    if one is None or other is None:
        return False
    return bool(max(float((one * other).sum()), float((one * other[:, ::-1]).sum())) >= ALIKE)


def overlaid(one: bytes, other: bytes) -> int:
    """1 if `one` has an overlay that `other` lacks, -1 the other way round, 0 if neither; both as packed greys."""
    cv2 = opencv()
    import numpy as np

    if not one or not other:
        return 0
    first, second = (cv2.imdecode(np.frombuffer(raw, np.uint8), cv2.IMREAD_GRAYSCALE) for raw in (one, other))
    (height, width), (tall, wide) = first.shape, second.shape
    if abs(width / height - wide / tall) > ASPECT * width / height:
        return 0
    size = (min(width, wide), min(height, tall))
    first, second = (
        cv2.resize(grey, size, interpolation=cv2.INTER_AREA).astype(np.float32) for grey in (first, second)
    )
    second = _same_light(second, first)
    apart = np.abs(cv2.GaussianBlur(first, (0, 0), 1.0) - cv2.GaussianBlur(second, (0, 0), 1.0))
    there = (apart > max(LEVELS, TIMES * float(np.median(apart)))).astype(np.uint8)
    there = cv2.morphologyEx(there, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))  # what coding does to edges is thin
    if not LEAST <= float(there.mean()) <= MOST:
        return 0
    square = np.ones((5, 5), np.uint8)  # where it ends, whichever is the smoother inside: nothing of a scene ends there
    around = (cv2.dilate(there, square) > 0) & (cv2.erode(there, square) == 0)
    edges = [float(np.abs(cv2.Laplacian(grey, cv2.CV_32F)[around]).sum()) + 1.0 for grey in (first, second)]
    return 1 if edges[0] > BUSIER * edges[1] else -1 if edges[1] > BUSIER * edges[0] else 0


def _same_light(grey: ndarray, like: ndarray) -> ndarray:
    """`grey` with the middle and the spread of `like`: a brighter copy has no overlay."""
    import numpy as np

    low, middle, high = np.percentile(grey, (25, 50, 75))
    wanted_low, wanted, wanted_high = np.percentile(like, (25, 50, 75))
    gain = (wanted_high - wanted_low) / max(float(high - low), 1.0)
    lit: ndarray = ((grey - middle) * np.clip(gain, 0.5, 2.0) + wanted).astype(np.float32)
    return lit
