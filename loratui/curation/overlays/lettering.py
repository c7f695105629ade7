"""Letters laid over a picture: pieces of one colour and about one height that stand in one line, as no scene has them.

Measured on 72 photographs and on 120 with words written on them (`python -m tests.bench.curation --overlays`): what is
half transparent, or smaller than 9 px, is mostly missed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from loratui.curation.pixels import opencv
from loratui.curation.sizes import within

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy import ndarray

SIDE = 1024  # px of the longer side that is looked at
WHITE, BLACK = 228, 28  # the darkest channel of what is white, the lightest of what is black
STRONG, BRIGHT = 140, 170  # saturation and value of a colour that is used for writing
HUES = ((0, 8), (5, 35), (40, 85), (95, 130))  # of OpenCV's 180: red, orange and yellow, green, blue
LOW = 9  # px; what is lower cannot be told from grain
WIDEST, THINNEST, FULLEST = 1.7, 0.15, 0.97  # a letter's width over its height; the share of its box that it covers
LABELS = 1 << 15  # runs of pixels at most that 16 bits have a number for: half the time of 32 bits
MOST = 600  # pieces; more of one colour are a texture
GAP, BACK = 1.2, -0.15  # between two letters, over their height
LEVEL, ALIKE = 0.12, 0.6  # how far their feet may be apart, and how small the lower may be, over the height
ENOUGH = 6  # letters in a line; of 72 photographs those without words have at most five


def letters_of(rgb: ndarray) -> int:
    """The most letters that stand in one line; below ENOUGH they say nothing. `rgb`: (height, width, 3) of 8 bits."""
    return max((_longest_line(_pieces(mask)) for mask in _colours(within(rgb, SIDE))), default=0)


def _colours(rgb: ndarray) -> Iterator[ndarray]:
    """Where the picture has each colour that words are written in."""
    cv2 = opencv()
    import numpy as np

    red, green, blue = cv2.split(rgb)  # a channel at a time takes less than half as long as all at once
    lowest, highest = cv2.min(cv2.min(red, green), blue), cv2.max(cv2.max(red, green), blue)
    yield cv2.inRange(lowest, WHITE, 255)
    yield cv2.inRange(highest, 0, BLACK)
    # what is as strong differs in its channels by so much: most pictures have none of it, or in one place
    apart = cv2.inRange(cv2.subtract(highest, lowest), STRONG * BRIGHT // 255 - 1, 255)
    left, top, width, height = cv2.boundingRect(cv2.bitwise_and(apart, cv2.inRange(highest, BRIGHT, 255)))
    if not width:
        return
    part = np.ascontiguousarray(rgb[top : top + height, left : left + width])
    hue, saturation, value = cv2.split(cv2.cvtColor(part, cv2.COLOR_RGB2HSV))
    strong = cv2.bitwise_and(cv2.inRange(saturation, STRONG, 255), cv2.inRange(value, BRIGHT, 255))
    hues = np.arange(256)
    for first, last in HUES:
        wanted = ((hues >= first) & (hues <= last)).astype(np.uint8) * 255
        yield cv2.bitwise_and(cv2.LUT(hue, wanted), strong)


def _pieces(mask: ndarray) -> ndarray:
    """(n, 5) of left, top, width, height, area: the pieces that may be letters, from left to right."""
    import numpy as np

    none = np.empty((0, 5), np.float32)
    cv2 = opencv()
    left, top, width, height = cv2.boundingRect(mask)
    if cv2.countNonZero(mask) < ENOUGH * LOW:
        return none
    there = mask[top : top + height, left : left + width]  # of most colours there is little, and labelling is slow
    runs = cv2.countNonZero(cv2.compare(there[:, 1:], there[:, :-1], cv2.CMP_GT)) + cv2.countNonZero(there[:, 0])
    kind = cv2.CV_16U if runs < LABELS else cv2.CV_32S
    _, _, stats, _ = cv2.connectedComponentsWithStats(there, connectivity=8, ltype=kind)
    one = stats[1:].astype(np.float32)
    _, _, wide, high, area = one.T
    box = wide * high
    letters = (high >= LOW) & (wide >= 2) & (wide <= WIDEST * high)
    one = one[letters & (area >= THINNEST * box) & (area <= FULLEST * box)]
    return one[np.argsort(one[:, 0])] if ENOUGH <= len(one) <= MOST else none


def _longest_line(pieces: ndarray) -> int:
    """How many pieces follow each other at most, each the nearest to the right that fits."""
    import numpy as np

    if not len(pieces):
        return 0
    left, top, width, height, _ = pieces.T
    foot = top + height
    tall = np.maximum(height[:, None], height[None, :])
    gap = left[None, :] - (left + width)[:, None]
    fits = (gap > BACK * tall) & (gap < GAP * tall) & (left[None, :] > left[:, None])
    fits &= np.abs(foot[:, None] - foot[None, :]) <= np.maximum(1.5, LEVEL * tall)
    fits &= np.minimum(height[:, None], height[None, :]) >= ALIKE * tall
    nearest = np.where(fits, gap, np.inf).argmin(axis=1)
    length = np.ones(len(pieces), int)
    for place in range(len(pieces) - 1, -1, -1):  # what follows stands further right, so it is counted already
        if fits[place].any():
            length[place] += length[nearest[place]]
    return int(length.max())
