"""Masks of who is in a picture, out of the doctor's boxes: white where the loss of a masked run counts."""

from __future__ import annotations

import io
from collections.abc import Iterable
from typing import TYPE_CHECKING

from loratui.curation.people.faces import turned_box
from loratui.curation.people.persons import face_meant

if TYPE_CHECKING:
    from PIL.Image import Image

    from loratui.curation.report import Box, PictureReport

FACE, PERSON = "face", "person"
WHAT = (FACE, PERSON)
# in widths and heights of the face: beside, above and below it. A head has hair around the face; below the chin a body
# has six and a half faces more, and is as wide as four
ROUND = {FACE: (0.3, 0.45, 0.25), PERSON: (1.6, 0.6, 6.5)}
EDGE = 0.15  # of the face's height, over which the mask falls from white to black


def masks_of(pictures: Iterable[PictureReport], meant: int | None, what: str) -> dict[str, Box]:
    """What counts of each picture with a face, by name: of person `meant` where it is known who that is.

    Else of the largest face. Boxes as fractions of the picture as the camera's mark turns it.
    """
    return {one.name: _around(face_meant(one, meant) or one.boxes[0], one.turns, what) for one in pictures if one.boxes}


def _around(face: Box, turns: int, what: str) -> Box:
    x, y, w, h = turned_box(face, turns)
    beside, above, below = ROUND[what]
    left, top = max(0.0, x - beside * w), max(0.0, y - above * h)
    right, bottom = min(1.0, x + w * (1 + beside)), min(1.0, y + h * (1 + below))
    return turned_box((left, top, right - left, bottom - top), -turns)


def mask_image(size: tuple[int, int], box: Box) -> Image:
    """The mask of a picture of `size`: all of the box is white, what is far from it black."""
    from PIL import Image as Pillow
    from PIL import ImageDraw, ImageFilter

    width, height = size
    soft = max(1.0, EDGE * min(box[2] * width, box[3] * height))
    left, top = box[0] * width - 2 * soft, box[1] * height - 2 * soft
    right, bottom = (box[0] + box[2]) * width + 2 * soft, (box[1] + box[3]) * height + 2 * soft
    made = Pillow.new("L", size, 0)
    ImageDraw.Draw(made).rectangle((left, top, right, bottom), fill=255)
    return made.filter(ImageFilter.GaussianBlur(soft))


def as_png(mask: Image) -> bytes:
    """The mask as a file."""
    out = io.BytesIO()
    mask.save(out, "PNG")
    return out.getvalue()
