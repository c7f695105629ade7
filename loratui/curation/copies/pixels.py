"""One picture made right in memory: upright, sRGB, opaque, without metadata, under an ending that is true."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from loratui.curation.copies.bars import without_bars
from loratui.curation.copies.jpeg import NotPlain, strip_jpeg
from loratui.curation.copies.masks import as_png, mask_image
from loratui.curation.people.faces import find_faces, turns_upright
from loratui.terminal.text import plural, safe_text
from loratui.terminal.units import in_bytes
from trainer.contract.pictures.flatten import ORIENTATION, flatten, has_transparency
from trainer.contract.pictures.inside import read_inside, why_not_inside
from trainer.contract.pictures.opening import MAX_BYTES, MAX_PIXELS, open_image

if TYPE_CHECKING:
    from PIL.Image import Image

    from loratui.curation.report import Box

Edges = tuple[int, int, int, int]  # left, top, right, bottom in pixels
JPEG = {"quality": 95, "subsampling": 0}  # a photograph that was JPEG stays one
KEPT = {"JPEG": (".jpg", ".jpeg"), "MPO": (".jpg", ".jpeg"), "PNG": (".png",), "WEBP": (".webp",)}
METADATA = {"PNG": {b"tEXt", b"zTXt", b"iTXt", b"eXIf", b"tIME"}, "WEBP": {b"EXIF", b"XMP "}}  # by chunk
REMOVED = "metadata removed"
LOOK = 1024  # px of the longer side that a face is looked for in
QUARTERS = {1: 2, 2: 3, 3: 4}  # turns to the left, as Pillow numbers them (Transpose.ROTATE_90 ...)


@dataclass(frozen=True)
class FixStep:
    """One thing that was done to a copy: a stable code, and words."""

    code: str
    words: str


@dataclass(frozen=True)
class FixedPixels:
    """The bytes of the copy, its ending (".png"), and what was done."""

    raw: bytes
    ending: str
    done: tuple[FixStep, ...]
    mask: bytes | None = None  # of the copy, as a PNG


@dataclass(frozen=True)
class Cut:
    """What of the picture is kept: turned for its face, a box, all but its bars; and what of it a mask makes count."""

    of_face: bool = False
    crop: Box | None = None
    barred: bool = False
    mask: Box | None = None


AS_IT_IS = Cut()


class CannotFix(ValueError):
    """The picture cannot be read; the text says why."""


def remake(path: Path, background: str, cut: Cut = AS_IT_IS) -> FixedPixels:
    """The picture at `path` made right; its own bytes where nothing was wrong. Raises CannotFix.

    With `cut.of_face` it is turned so that the face in it stands upright, whatever the camera wrote down. `cut.crop` is
    the part of it that is kept, of the picture as the camera's mark turns it. From one that is `cut.barred`, bars or a
    frame of one colour are cut. All of it in one pass.
    """
    from PIL import Image, UnidentifiedImageError

    raw = read_inside(path, MAX_BYTES)
    if raw is None and (what := why_not_inside(path)):
        raise CannotFix(f"it is {what}")
    if raw is None:
        raise CannotFix(f"it cannot be read, or is larger than {in_bytes(MAX_BYTES)}")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with open_image(io.BytesIO(raw)) as picture:
                if picture.width * picture.height > MAX_PIXELS:
                    raise CannotFix(f"it has more than {MAX_PIXELS // 10**6} megapixels")
                return _remade(raw, path.suffix.lower(), picture, background, cut)
    except CannotFix:
        raise
    except UnidentifiedImageError:
        raise CannotFix("it is not a picture that can be read") from None
    except Exception as error:  # Pillow raises many kinds for a damaged file
        raise CannotFix(f"it cannot be decoded ({safe_text(error, 80)})") from None


def _remade(raw: bytes, ending: str, picture: Image, background: str, cut: Cut) -> FixedPixels:
    kind = picture.format or ""
    right = KEPT.get(kind, (".png",))
    metadata = _has_metadata(raw, kind, picture)
    made, mask, done = _changed(picture, kind, background, cut)
    if done:
        raw, right = _encoded(made, kind)
    elif metadata:
        raw, right = _without_metadata(raw, kind, picture)
    if metadata:
        done.append(FixStep("metadata", REMOVED))
    if ending not in right and ending in KEPT.get(kind, ()):
        done.append(FixStep("convert", f"saved as {right[0]}, without loss"))
    elif ending not in right and kind in KEPT:
        done.append(FixStep("rename", f"called {right[0]}, which it is"))
    if mask is not None:
        done.append(FixStep("mask", "with a mask of who is meant"))
    return FixedPixels(
        raw, ending if ending in right else right[0], tuple(done), None if mask is None else as_png(mask)
    )


def _changed(picture: Image, kind: str, background: str, cut: Cut) -> tuple[Image, Image | None, list[FixStep]]:
    """The picture as it shall be, its mask, and what that took; nothing if its pixels are right as they are."""
    from PIL import ImageOps
    from PIL.Image import Transpose

    done: list[FixStep] = []
    frames = getattr(picture, "n_frames", 1) if kind != "MPO" else 1
    turned = picture.getexif().get(ORIENTATION, 1) in range(2, 9)
    picture.load()
    made = ImageOps.exif_transpose(picture) if turned else picture
    if turned:
        done.append(FixStep("rotate", "turned upright"))
    mask = None if cut.mask is None else mask_image(made.size, cut.mask)
    turns = _turns(made, background) if cut.of_face else 0
    inside = _inside_bars(made, background) if cut.barred else None
    box = _common(inside, None if cut.crop is None else _pixels_of(cut.crop, made.size))
    if box is not None:
        made, mask = made.crop(box), None if mask is None else mask.crop(box)
        what = [", without its bars"] if inside is not None else []
        what += [" around what is meant"] if cut.crop is not None else []
        done.append(FixStep("crop", f"cropped to {made.width} x {made.height} px{''.join(what[::-1])}"))
    if turns:
        turn = Transpose(QUARTERS[turns])
        made, mask = made.transpose(turn), None if mask is None else mask.transpose(turn)
        done.append(FixStep("rotate", "turned so that its face is upright"))
    if kind not in KEPT:
        done.append(FixStep("convert", f"saved as PNG in place of {kind}"))
    if frames > 1:
        done.append(FixStep("convert", f"the first of {plural(frames, 'frame')}"))
    if made.mode.startswith(("I", "F", "CMYK", "YCbCr", "LAB", "HSV")):
        done.append(FixStep("convert", f"from {made.mode} to 8-bit RGB"))
    if has_transparency(made):
        done.append(FixStep("composite", f"transparency laid on {background}"))
    flat = flatten(made, background)
    if flat.colours:
        done.append(FixStep("convert", f"colours from '{safe_text(flat.colours, 40)}' to sRGB"))
    return flat.picture if done else made, mask, done


def _inside_bars(picture: Image, background: str) -> Edges | None:
    """What of the picture is no bar and no frame; None where it has none."""
    import numpy as np

    return without_bars(np.asarray(flatten(picture, background).picture))


def _common(one: Edges | None, other: Edges | None) -> Edges | None:
    """What both keep; where that is nothing, what the second keeps."""
    if one is None or other is None:
        return one or other
    left, top, right, bottom = *map(max, one[:2], other[:2]), *map(min, one[2:], other[2:])
    return (left, top, right, bottom) if right > left and bottom > top else other


def _pixels_of(box: Box, size: tuple[int, int]) -> Edges:
    """The edges of a box in pixels, as Pillow crops: left, top, right, bottom."""
    left, top = round(box[0] * size[0]), round(box[1] * size[1])
    return left, top, left + max(1, round(box[2] * size[0])), top + max(1, round(box[3] * size[1]))


def _turns(picture: Image, background: str) -> int:
    """Quarter turns to the left that its face needs."""
    import numpy as np

    small = flatten(picture, background).picture
    small.thumbnail((LOOK, LOOK))
    rgb = np.asarray(small.convert("RGB"))
    return turns_upright(rgb, find_faces(rgb) or ())


def _encoded(made: Image, kind: str) -> tuple[bytes, tuple[str, ...]]:
    """A file without anything but pixels, and the endings that suit it."""
    made.info.clear()  # Pillow would write comment, profile and more of it
    out = io.BytesIO()
    if kind in ("JPEG", "MPO"):
        made.save(out, "JPEG", **JPEG)
        return out.getvalue(), KEPT["JPEG"]
    made.save(out, "PNG")
    return out.getvalue(), KEPT["PNG"]


def _without_metadata(raw: bytes, kind: str, picture: Image) -> tuple[bytes, tuple[str, ...]]:
    """The same pixels without metadata: a JPEG keeps its compressed data, the others become PNG."""
    if kind in ("JPEG", "MPO"):
        try:
            stripped = strip_jpeg(raw).raw
            if _pixels(stripped) == picture.convert("RGB").tobytes():
                return stripped, KEPT["JPEG"]
        except (NotPlain, OSError, SyntaxError):
            pass  # an odd file: encoded anew
        return _encoded(picture.convert("RGB"), kind)
    return _encoded(picture.copy(), kind)


def _pixels(raw: bytes) -> bytes:
    from PIL import Image

    with Image.open(io.BytesIO(raw), formats=("JPEG",)) as picture:
        return picture.convert("RGB").tobytes()


def _has_metadata(raw: bytes, kind: str, picture: Image) -> bool:
    if kind in ("JPEG", "MPO"):
        try:
            return strip_jpeg(raw).removed
        except NotPlain:
            return True
    if kind in METADATA:
        return bool(METADATA[kind] & set(_chunks(raw, kind)))
    return bool(picture.getexif())


def _chunks(raw: bytes, kind: str) -> Iterator[bytes]:
    """The names of the chunks of a PNG or a WebP."""
    at = 8 if kind == "PNG" else 12
    while at + 8 <= len(raw):
        first, second = raw[at : at + 4], raw[at + 4 : at + 8]
        if kind == "PNG":  # length, name, data, checksum
            yield second
            at += 12 + int.from_bytes(first, "big")
        else:  # name, length, data to an even byte
            yield first
            length = int.from_bytes(second, "little")
            at += 8 + length + length % 2
