"""What a picture's format, mode and colours mean for training."""

from __future__ import annotations

from pathlib import PurePath
from typing import TYPE_CHECKING

from loratui.curation.report import Finding
from loratui.terminal.text import plural, safe_text
from trainer.contract.pictures.flatten import WHITES, FlatPicture, has_transparency

if TYPE_CHECKING:
    from PIL.Image import Image

ENDINGS = {
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif"),
    "MPO": (".jpg", ".jpeg", ".jpe", ".jfif"),  # of phones: a JPEG with a second picture behind it
    "PNG": (".png",),
    "WEBP": (".webp",),
    "BMP": (".bmp",),
    "TIFF": (".tif", ".tiff"),
    "GIF": (".gif",),
    "AVIF": (".avif",),
    "HEIF": (".heic", ".heif", ".hif"),
    "JXL": (".jxl",),
}
SIXTEEN = 65535


def mode_findings(name: str, picture: Image) -> tuple[Finding, ...]:
    """What an opened, not yet loaded picture's header tells."""
    found = []
    kind = picture.format or ""
    if kind in ENDINGS and PurePath(name).suffix.lower() not in ENDINGS[kind]:
        said = f"the content is {kind}, whatever the name says; it is read as that"
        found.append(Finding("wrong-ending", "hint", name, kind, said, f"rename it to end in {ENDINGS[kind][0]}"))
    if kind != "MPO" and getattr(picture, "is_animated", False):
        said = "an animation: only its first frame would be trained"
        found.append(Finding("animated", "warn", name, None, said, "save the frame that you want as a picture"))
        picture.seek(0)
    if _deep(picture):
        found.append(_sixteen_bit(name, "16 bits a channel; training has 8, so fine shades are rounded"))
    if picture.mode == "CMYK":
        said = "printing colours (CMYK): they are converted to RGB and may shift"
        found.append(Finding("cmyk", "hint", name, "CMYK", said, "save it as RGB to see what is trained"))
    if picture.mode in ("P", "1"):
        said = "black and white dots only" if picture.mode == "1" else "at most 256 colours (a palette)"
        found.append(Finding("palette", "hint", name, picture.mode, said, "use the original, if there is one"))
    return tuple(found)


def pixel_findings(name: str, picture: Image, flat: FlatPicture) -> tuple[Finding, ...]:
    """What a loaded picture and what was made of it tell."""
    found = []
    if has_transparency(picture):
        said = "transparent parts are laid on dataset.background; with mask.enabled they hardly count"
        remedy = "choose dataset.background, flatten it, or turn mask.enabled on"
        found.append(Finding("transparent", "hint", name, None, said, remedy))
    if flat.white is not None:
        found.append(_sixteen_bit(name, _depth_words(flat.white, picture.mode)))
    if flat.problem:
        said = f"{safe_text(flat.problem, 160)}: it is passed over, and the colours are read as sRGB"
        found.append(
            Finding("broken-profile", "hint", name, None, said, "if the colours look wrong, export it as sRGB")
        )
    return tuple(found)


def _sixteen_bit(name: str, said: str) -> Finding:
    return Finding("sixteen-bit", "hint", name, 16, said, "nothing to do; save as 8 bits to choose how")


def _depth_words(white: float, mode: str) -> str:
    """How deep grey, or deep colours, were read; the file does not say it, so a person should be able to see it."""
    if white == 1:
        return "floating-point grey, read as 0 for black and 1 for white; training has 8 bits"
    bits = int(white).bit_length()
    if white in WHITES and white != SIXTEEN:
        kind = "floating point" if mode == "F" else "a deeper file"
        what = "grey" if mode.startswith(("I", "F")) else "colours"
        return f"{what} of {plural(bits, 'bit')} in {kind}: {white:,.0f} is read as white; training has 8 bits"
    return f"grey of {plural(bits, 'bit')}; training has 8, so fine shades are rounded"


def _deep(picture: Image) -> bool:
    """Whether the colours have 16 bits a channel: Pillow brings them to 8 while it reads them."""
    if picture.mode.startswith(("I", "F")):
        return False  # deep grey keeps its depth, and is told of with its pixels
    return any("16" in str(tile[3]) for tile in getattr(picture, "tile", ()) if len(tile) > 3 and tile[3])
