"""Opens picture files by their content, and reads of their headers what Pillow leaves unread."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import IO, TYPE_CHECKING

from trainer.contract.pictures.folder import FORMATS

if TYPE_CHECKING:
    from PIL.Image import Image

HEAD = 1 << 16  # bytes in which AVIF and HEIC say how they are coloured
MOST_CHUNKS = 1000  # of a PNG before its pixels
FULL_RANGE, NO_MATRIX = 1, 0


def open_image(source: Path | IO[bytes]) -> Image:
    """The picture with its header read; its pixels are decoded later. Colours stated in numbers are in info["cicp"].

    Raises what Pillow raises: UnidentifiedImageError, DecompressionBombError, OSError, ValueError, SyntaxError.
    """
    from PIL import Image

    picture = Image.open(source, formats=FORMATS)
    read = {"PNG": _png_code, "AVIF": _box_code, "HEIF": _box_code}.get(picture.format or "")
    # PNG ranks its numbers before an ICC profile, the others behind it
    if read is not None and (picture.format == "PNG" or "icc_profile" not in picture.info):
        code = _from_start(source, read)
        if code is not None:
            picture.info["cicp"] = code
    return picture


def _from_start(
    source: Path | IO[bytes], read: Callable[[IO[bytes]], tuple[int, int] | None]
) -> tuple[int, int] | None:
    if isinstance(source, Path):
        with source.open("rb") as file:
            return read(file)
    at = source.tell()
    try:
        source.seek(0)
        return read(source)
    finally:
        source.seek(at)


def _png_code(file: IO[bytes]) -> tuple[int, int] | None:
    """Primaries and transfer of cICP, which stands before the palette and the pixels."""
    file.seek(8)
    for _ in range(MOST_CHUNKS):
        head = file.read(8)
        if len(head) < 8 or head[4:] in (b"IDAT", b"PLTE"):
            return None
        length = int.from_bytes(head[:4], "big")
        if head[4:] == b"cICP" and length == 4:
            code = file.read(4)
            whole = len(code) == 4 and (code[2], code[3]) == (NO_MATRIX, FULL_RANGE)
            return (code[0], code[1]) if whole else None
        file.seek(length + 4, os.SEEK_CUR)
    return None


def _box_code(file: IO[bytes]) -> tuple[int, int] | None:
    """Primaries and transfer of the first colr box of the kind nclx."""
    raw = file.read(HEAD)
    at = raw.find(b"colrnclx")
    if at < 0 or len(raw) < at + 12:
        return None
    return int.from_bytes(raw[at + 8 : at + 10], "big"), int.from_bytes(raw[at + 10 : at + 12], "big")
