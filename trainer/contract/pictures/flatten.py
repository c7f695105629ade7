"""What becomes of a decoded picture: upright, sRGB, opaque, 8 bit; one rule for screen, checks, copies and trainer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from trainer.contract.pictures.colours import to_srgb

if TYPE_CHECKING:
    from PIL.Image import Image

RULE = 3  # raised whenever other pixels come out: latents and measurements that were kept are then made again
ORIENTATION = 0x0112  # the EXIF tag that says how a picture is turned
ALPHA = ("RGBA", "LA", "PA", "RGBa", "La")
REDUCIBLE = ("RGB", "L", "RGBA", "LA", "CMYK")
WHITES = (255, 1023, 4095, 16383, 65535)  # of 8, 10, 12, 14 and 16 bits
WHITE = "white"  # the entry of a picture's info for the level that its deep colours were brought to 8 bits by
BRIGHTEST = 16.0  # of floats whose white is 1: highlights of HDR pictures lie above it


@dataclass(frozen=True)
class FlatPicture:
    """The picture in three channels of 8 bit, and what was found on the way."""

    picture: Image
    colours: str = ""  # the colour space that it was converted from
    problem: str = ""  # a statement of its colours that could not be used
    white: float | None = None  # the level of deep grey or deep colours that was taken for white


def upright(picture: Image, background: str, short: int | None = None) -> FlatPicture:
    """A picture as training sees it; with `short` reduced by a whole number while its short side stays >= `short` px.

    Raises what Pillow raises for files that cannot be decoded.
    """
    from PIL import ImageOps

    factor = max(1, min(picture.size) // short) if short else 1
    if factor > 1 and picture.mode in REDUCIBLE and "transparency" not in picture.info:
        exif = picture.getexif()
        picture, factor = picture.reduce(factor), 1
        picture.getexif().update(exif)
    flat = flatten(ImageOps.exif_transpose(picture), background)
    if factor == 1:
        return flat
    return FlatPicture(flat.picture.reduce(factor), flat.colours, flat.problem, flat.white)


def flatten(picture: Image, background: str) -> FlatPicture:
    """Three channels of 8 bit in sRGB: transparency laid on `background` ("#ffffff"), deep grey scaled, not clipped."""
    from PIL import Image

    picture.load()
    white = picture.info.get(WHITE)
    if picture.mode.startswith(("I", "F")):
        picture, white = _from_deep_grey(picture)
    found = to_srgb(_plain(picture))
    made = found.picture
    if made.mode in ALPHA:
        rgba = made.convert("RGBA")
        ground = Image.new("RGBA", rgba.size, background)
        made = Image.alpha_composite(ground, rgba)
    return FlatPicture(made.convert("RGB"), found.name, found.problem, white)


def may_be_transparent(picture: Image) -> bool:
    """Whether its kind can let the background through, by its header alone."""
    return picture.mode in ALPHA or "transparency" in picture.info


def has_transparency(picture: Image) -> bool:
    """Whether any pixel of a loaded picture lets the background through."""
    if may_be_transparent(picture):
        return picture.convert("RGBA").getchannel("A").tobytes().strip(b"\xff") != b""
    return False


def white_of(brightest: float, whole: bool) -> float:
    """The level that is taken for white where a file does not say how many bits its grey or its colours have.

    Whole numbers: the smallest of WHITES that holds the brightest, for cameras write 12 bits into 16. Fractions: 1
    where the brightest is at most BRIGHTEST, as in scientific and HDR files, else as whole numbers.
    """
    if not whole and brightest <= BRIGHTEST:
        return 1.0
    return float(next((white for white in WHITES if brightest <= white), 2**31 - 1))


def _plain(picture: Image) -> Image:
    """In a mode whose colours can be converted: palettes resolved, a transparent colour made a channel."""
    if "transparency" in picture.info or picture.mode in ("PA", "RGBa", "La"):
        return picture.convert("LA" if picture.mode == "La" else "RGBA")
    if picture.mode in ("P", "YCbCr", "HSV", "RGBX"):
        return picture.convert("RGB")
    return picture.convert("L") if picture.mode == "1" else picture


def _from_deep_grey(picture: Image) -> tuple[Image, float]:
    # convert("RGB") would clip 16-bit grey to white
    import numpy as np
    from PIL import Image

    values = np.nan_to_num(np.asarray(picture, dtype=np.float32), posinf=0.0, neginf=0.0)
    white = white_of(float(values.max(initial=0)), picture.mode != "F")
    grey = np.clip(values / white * 255.0 + 0.5, 0, 255).astype(np.uint8)
    made = Image.fromarray(grey)
    made.info.update({key: value for key, value in picture.info.items() if key != "transparency"})
    return made, white
