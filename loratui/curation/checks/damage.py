"""What spoils a picture before anyone trains on it: noise, blocks of a coarse JPEG, damaged data, bars around it.

Measured on 68 photographs and on what was made of three portraits: tests/loratui/curation/test_damage.py has the kinds.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from loratui.curation.pixels import missing, opencv
from loratui.curation.sizes import steps_between, within

if TYPE_CHECKING:
    from numpy import ndarray
    from PIL.Image import Image

NOISY = 7.5  # grey levels: the grainiest of 72 good photographs has 5.2, an added deviation of 30 comes to 9 to 17
SPECKLED = 0.01  # share; the most of 72 photographs is 0.0033
TILE = 16  # px of the squares whose noise is compared
STILL = 10  # percentile of the squares: texture has noise of its own, a calm part has only the camera's
BLOCK = 8  # px; what JPEG divides a picture into
FAINT = 0.25  # grey levels; steps below that are none
LEAST = 64  # px of the shorter side, below which no statistics of blocks can be had
NORMAL = 1.4826  # a normal distribution's deviation over its median deviation
SMALL = 512  # px of the longer side that is enough to see bars
SIDES = 4
NEAR, DIFFERENT = 6, 16  # grey levels: of one colour with a bar, and clearly of another
FLAT, WRITTEN = 0.9, 0.75  # share of a bar's first line, and of its others: a bar may have words in it
STRAIGHT = 0.5  # share of the line behind a bar that differs from it: its edge goes across
THIN = 0.004  # of the side, two lines in any case; less is no bar: of 72 photographs one has more than with 0.02
SPECK = 60  # grey levels
CORNER, INSIDE, OUTSIDE = 0.03, 0.97, 0.25  # of the side that a corner takes at least; how much of it is of its colour
ROUND = 1.3  # times a corner is looked at
TURNED = 0.02  # of the picture, that at least two such corners take
JPEG_MODES = {"RGB": "RGB", "L": "GRAY"}  # of Pillow, as simplejpeg calls them
LAYERS = 3  # a screenshot has a bar within a bar


def noise_of(grey: ndarray) -> float | None:
    """The deviation of what is random from pixel to pixel, in grey levels; None where the picture is too small.

    Of 68 photographs the grainiest has 5.2, the others at most 1.5.
    """
    cv2 = opencv()
    import numpy as np

    if min(grey.shape) < LEAST:
        return None
    height, width = (side // TILE * TILE for side in grey.shape)
    down = cv2.subtract(grey[:height:2, :width], grey[1:height:2, :width], dtype=cv2.CV_16S)
    twice = np.abs(down[:, ::2] - down[:, 1::2])  # of what is random: whole numbers are put in order sooner
    half = TILE // 2
    tiles = twice.reshape(height // TILE, half, width // TILE, half).transpose(0, 2, 1, 3).reshape(-1, half * half)
    middle = half * half // 2
    tiles.sort(axis=1)  # all of it in order is had sooner than the middle alone: numpy sorts such rows by vectors
    each = tiles[:, middle - 1 : middle + 1].sum(axis=1, dtype=np.float32) / 4 * NORMAL
    return float(np.percentile(each, STILL))


def is_noisy(noise: float | None, specks: float) -> bool:
    """Whether noise or specks cover the details: for the finding, for what is kept and for copies alike."""
    return (noise is not None and noise > NOISY) or specks > SPECKLED


def specks_of(grey: ndarray) -> float:
    """The share of pixels that are far from all around them: salt and pepper, which a median of noise passes over."""
    cv2 = opencv()
    specks = cv2.inRange(cv2.absdiff(grey, cv2.medianBlur(grey, 3)), SPECK + 1, 255)
    return float(cv2.countNonZero(specks) / grey.size)


def blocks_of(grey: ndarray) -> float | None:
    """Steps at every eighth line over steps elsewhere: of photographs at most 1.7, of JPEG quality 8 more than 2.

    None where the picture is too small. `grey` must not have been resized: the blocks would be elsewhere.
    """
    import numpy as np

    if min(grey.shape) < LEAST:
        return None
    found = []
    for axis in (0, 1):
        steps = steps_between(grey, axis)
        edges = np.arange(len(steps)) % BLOCK == BLOCK - 1
        # medians: a drawing has few lines with steps, wherever they are
        found.append(float(np.median(steps[edges]) / max(float(np.median(steps[~edges])), FAINT)))
    return min(found)


def quantiser_of(picture: Image) -> float | None:
    """The mean of a JPEG's table for luminance: 11 is quality 90, 58 quality 50, 167 quality 15; None for others."""
    tables = getattr(picture, "quantization", None)
    if not tables:
        return None
    first = [float(one) for one in tables[min(tables)]]
    return sum(first) / len(first)


def read_jpeg(raw: bytes, mode: str, size: tuple[int, int], factor: int) -> tuple[ndarray | None, str]:
    """A JPEG decoded once for its pixels and for what libjpeg has to say of its data, which Pillow keeps to itself.

    `size` is the width and height that Pillow gives it at 1/`factor` of its own, in `mode`: the same pixels. None where
    they can only be had from Pillow: the data is damaged, or it is of a kind that is not decoded here, such as CMYK.
    """
    if "damaged" in missing() or mode not in JPEG_MODES:
        return None, ""
    import simplejpeg

    try:
        least = {"min_width": size[0], "min_height": size[1], "min_factor": factor}
        pixels: ndarray = simplejpeg.decode_jpeg(raw, JPEG_MODES[mode], **least, strict=True)
    except ValueError as error:
        said = str(error)
        return None, said if said.startswith(("Corrupt", "Premature")) else ""
    return (pixels if pixels.shape[1::-1] == size else None), ""


def bars_of(rgb: ndarray) -> float:
    """The share of the picture that is bars or a frame of one colour, as letterboxes and screenshots have them."""
    _, _, width, height = inside_bars(rgb)
    return 1 - width * height


def inside_bars(rgb: ndarray) -> tuple[float, float, float, float]:
    """What is left of the picture without them: x, y, width and height as fractions of it."""
    import numpy as np

    inner = within(rgb, SMALL).astype(np.int16)
    height, width = inner.shape[:2]
    cut = [0] * SIDES  # lines taken from the top, the right, the bottom, the left: each turn brings the next to the top
    for _ in range(LAYERS):
        before = inner.shape
        for side in range(SIDES):
            lines = _bar(inner)
            cut[side] += lines
            inner = np.rot90(inner[lines:])
        if inner.shape == before:
            break
    top, right, bottom, left = cut
    return left / width, top / height, (width - left - right) / width, (height - top - bottom) / height


def corners_of(rgb: ndarray) -> float:
    """The share of the picture that corners of one colour take, as turning it by some degrees leaves them."""
    import numpy as np

    small = within(rgb, SMALL).astype(np.int16)
    corners = [_corner(np.rot90(small, side)) for side in range(SIDES)]
    return sum(corners) if sum(one > 0 for one in corners) >= 2 and sum(corners) >= TURNED else 0.0


def _corner(lines: ndarray) -> float:
    """The share of the picture that a triangle of one colour takes at the top left, with a straight edge; 0 if none."""
    import numpy as np

    height, width = lines.shape[:2]
    colour = lines[1, 1]
    across, down = (_run(np.abs(edge - colour).max(axis=1) <= NEAR + 4) for edge in (lines[0], lines[:, 0]))
    if min(across / width, down / height) < CORNER or across == width or down == height:
        return 0.0
    inner = lines[: math.ceil(ROUND * down), : math.ceil(ROUND * across)]
    near = _apart(inner, colour) <= NEAR + 4
    # 1 on the line between both ends
    far = np.arange(inner.shape[1])[None, :] / across + np.arange(inner.shape[0])[:, None] / down
    filled = near[far < 0.94].mean() >= INSIDE and near[(far > 1.06) & (far < ROUND)].mean() <= OUTSIDE
    return across * down / 2 / (height * width) if filled else 0.0


def _apart(lines: ndarray, colour: ndarray) -> ndarray:
    """The largest difference of the three channels; along an axis of three numpy takes five times as long."""
    import numpy as np

    red, green, blue = np.moveaxis(np.abs(lines - colour), 2, 0)
    apart: ndarray = np.maximum(np.maximum(red, green), blue)
    return apart


def _run(near: ndarray) -> int:
    return len(near) if near.all() else int(near.argmin())


def _bar(lines: ndarray) -> int:
    """How many lines of one colour stand at the top, with a straight edge behind them; 0 if none."""
    import numpy as np

    first = np.abs(lines[0] - np.median(lines[0], axis=0)).max(axis=1) <= NEAR
    if first.mean() < FLAT:  # as in most photographs: the medians of all lines take a tenth of a second
        return 0
    colours = np.median(lines, axis=1)
    near = (_apart(lines, colours[:, None]) <= NEAR).mean(axis=1)
    same = (near >= WRITTEN) & (np.abs(colours - colours[0]).max(axis=1) <= NEAR + 4)  # coding tints lines
    count = int(np.argmin(same)) if not same.all() else 0
    if count < max(2, THIN * len(lines)) or count + 2 > len(lines):
        return 0
    behind = np.abs(lines[count + 1] - colours[0]).max(axis=1) > DIFFERENT
    return count if behind.mean() >= STRAIGHT else 0
