"""Where a copy is cut so that it shows one person: around the face meant, without others. Boxes as fractions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from loratui.curation.people.faces import turned_box
from loratui.curation.people.persons import face_meant
from loratui.terminal.text import plural

if TYPE_CHECKING:
    from loratui.curation.report import Box, PictureReport

LARGE = 4.0  # times the face's height: head and shoulders, chest, some ground
LEAST = 1.4  # times its height: the whole head still


def crops_of(pictures: Iterable[PictureReport], meant: int | None = None) -> dict[str, Box]:
    """The crop of each picture that one can be had of, by name: around person `meant` where it is known who that is.

    Else around the largest face, and never over the edge to a picture that was pasted beside. Where there is no face,
    the largest of the pictures that one was pasted together from.
    """
    found = {one.name: _crop(one, meant) for one in pictures}
    return {name: box for name, box in found.items() if box is not None}


def crop_size(one: PictureReport, box: Box) -> tuple[int, int]:
    """Width and height in pixels of the copy that shows this part of a picture."""
    return max(1, round(box[2] * one.width)), max(1, round(box[3] * one.height))


def crop_size_words(pictures: Iterable[PictureReport], crops: Mapping[str, Box], resolution: int) -> tuple[str, bool]:
    """How many pixels the copies will have, beside the training resolution; whether one has fewer than that."""
    sizes = [crop_size(one, crops[one.name]) for one in pictures if one.name in crops]
    sides = sorted(map(min, sizes))
    if not sides:
        return "", False
    below = sum(one < resolution for one in sides)
    if len(sides) == 1:
        said = "The copy will have {} x {} px".format(*sizes[0])
        than = f"fewer than the training resolution, {resolution} px: it is enlarged for training"
    else:
        span = f"{sides[0]} to {sides[-1]}" if sides[0] < sides[-1] else str(sides[0])
        said = f"The shorter sides of the {plural(len(sides), 'copy', 'copies')} will have {span} px"
        those = "all" if below == len(sides) else f"{below} of them"
        than = f"{those} fewer than the training resolution, {resolution} px: they are enlarged for training"
    return (f"{said}, {than}." if below else f"{said}; the training resolution is {resolution} px."), bool(below)


def _crop(one: PictureReport, meant: int | None) -> Box | None:
    if not one.boxes:
        return max(one.pieces, key=lambda each: each[2] * each[3], default=None)
    faces = tuple(turned_box(box, one.turns) for box in _ordered(one, meant))
    size = (one.height, one.width) if one.turns % 2 else (one.width, one.height)
    pieces = [turned_box(piece, one.turns) for piece in one.pieces]
    x, y, w, h = next((each for each in pieces if _holds(each, faces[0])), (0.0, 0.0, 1.0, 1.0))
    inside = tuple(((a - x) / w, (b - y) / h, c / w, d / h) for a, b, c, d in faces)
    box = crop_box(size[0] * w, size[1] * h, inside)
    if box is None:
        return None
    a, b, c, d = box
    return turned_box((x + a * w, y + b * h, c * w, d * h), -one.turns)


def _holds(piece: Box, face: Box) -> bool:
    """Whether the middle of a face lies in it."""
    x, y = face[0] + face[2] / 2, face[1] + face[3] / 2
    return piece[0] <= x <= piece[0] + piece[2] and piece[1] <= y <= piece[1] + piece[3]


def _ordered(one: PictureReport, meant: int | None) -> tuple[Box, ...]:
    """The faces, the one that is meant first."""
    box = face_meant(one, meant)
    return one.boxes if box is None else (box, *(other for other in one.boxes if other != box))


def crop_box(width: float, height: float, faces: tuple[Box, ...]) -> Box | None:
    """The largest square around the first face that none of the others reaches into; None where they overlap.

    At most four times the face's height: it fills a quarter of the copy at least.
    """
    x, y, w, h = _in_pixels(faces[0], width, height)
    others = [_in_pixels(one, width, height) for one in faces[1:]]
    side = min(width, height, LARGE * h)
    least = min(LEAST * max(w, h), width, height)
    while side >= least:
        left = min(max(0.0, x + w / 2 - side / 2), width - side)
        top = min(max(0.0, y + h / 2 - side / 2.4), height - side)  # more room below the face than above it
        if not any(_meets((left, top, side, side), one) for one in others):
            return (left / width, top / height, side / width, side / height)
        side *= 0.95
    return None


def _in_pixels(box: Box, width: float, height: float) -> Box:
    return (box[0] * width, box[1] * height, box[2] * width, box[3] * height)


def _meets(one: Box, other: Box) -> bool:
    across = min(one[0] + one[2], other[0] + other[2]) - max(one[0], other[0])
    down = min(one[1] + one[3], other[1] + other[3]) - max(one[1], other[1])
    return across > 0 and down > 0
