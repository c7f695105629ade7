"""What a picture's format and mode mean for training, and its pixels as the trainer would see them, only smaller."""

from __future__ import annotations

from pathlib import PurePath
from typing import TYPE_CHECKING

from loratui.curation.report import Finding
from trainer.contract.pictures.flatten import ALPHA, flatten

if TYPE_CHECKING:
    from PIL.Image import Image

ENDINGS = {
    "JPEG": (".jpg", ".jpeg"),
    "MPO": (".jpg", ".jpeg"),  # of phones: a JPEG with a second picture behind it
    "PNG": (".png",),
    "WEBP": (".webp",),
    "BMP": (".bmp",),
    "TIFF": (".tif", ".tiff"),
    "GIF": (".gif",),
}
REDUCIBLE = ("RGB", "L", "RGBA", "LA", "CMYK")


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
        said = "16 bits a channel; training has 8, so fine shades are rounded"
        found.append(Finding("sixteen-bit", "hint", name, 16, said, "nothing to do; save as 8 bits to choose how"))
    if picture.mode == "CMYK":
        said = "printing colours (CMYK): they are converted to RGB and may shift"
        found.append(Finding("cmyk", "hint", name, "CMYK", said, "save it as RGB to see what is trained"))
    if picture.mode in ("P", "1"):
        said = "black and white dots only" if picture.mode == "1" else "at most 256 colours (a palette)"
        found.append(Finding("palette", "hint", name, picture.mode, said, "use the original, if there is one"))
    if picture.mode in ALPHA or "transparency" in picture.info:
        said = "transparent parts are laid on dataset.background"
        found.append(Finding("transparent", "hint", name, None, said, "choose dataset.background, or flatten it"))
    return tuple(found)


def as_trained(picture: Image, background: str, short: int) -> Image:
    """A loaded picture upright in 8-bit RGB; reduced by a whole number while its short side stays >= `short` px."""
    from PIL import ImageOps

    factor = max(1, min(picture.size) // short)
    if factor > 1 and picture.mode in REDUCIBLE:
        exif = picture.getexif()
        picture, factor = picture.reduce(factor), 1
        picture.getexif().update(exif)
    upright = ImageOps.exif_transpose(picture)
    flat = flatten(upright, background)
    return flat.reduce(factor) if factor > 1 else flat


def _deep(picture: Image) -> bool:
    """Whether the file has 16 bits a channel; Pillow brings 16-bit colours to 8 while it reads them."""
    if picture.mode.startswith(("I", "F")):
        return True
    return any("16" in str(tile[3]) for tile in getattr(picture, "tile", ()) if len(tile) > 3 and tile[3])
