"""Opens picture files by their content, and reads of their headers what Pillow leaves unread."""

from __future__ import annotations

import importlib
import os
import warnings
from collections.abc import Callable
from typing import IO, TYPE_CHECKING, TypeVar

from trainer.contract.pictures.formats import FORMATS, OPTIONAL, SNIFFED, can_read, kind_of

if TYPE_CHECKING:
    from PIL.Image import Image

MAX_PIXELS = 100_000_000  # a 20 kB PNG can claim a gigabyte; the header is asked first
MAX_BYTES = 200_000_000  # of one file
HEAD = 1 << 16  # bytes in which AVIF and HEIC say how they are coloured
JXL_START = b"\xff\x0a"
JXL_BITS = (9, 13, 18, 30)
JXL_RATIOS = ((1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))
MOST_CHUNKS = 1000  # of a PNG before its pixels
FULL_RANGE, NO_MATRIX = 1, 0
Read = TypeVar("Read")


def open_image(source: IO[bytes]) -> Image:
    """The picture in an open file with its header read; its pixels are decoded later, out of that file.

    Colours stated in numbers are in info["cicp"].

    Raises what Pillow and its plugins raise, which for a damaged file is any exception.
    """
    from PIL import Image

    # what is too large is said in words; Pillow's own would tear the screen
    warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)
    kind = _at_start(source, lambda file: kind_of(file.read(SNIFFED)))
    formats = (*FORMATS, *_optional(kind))
    if kind == "JXL" and formats != FORMATS:
        _refuse_bomb(_at_start(source, lambda file: jxl_size(file.read(HEAD))))
    picture = Image.open(source, formats=formats)
    if picture.format == "TIFF":
        from trainer.contract.pictures.deep_tiff import DeepColourTiff

        source.seek(0)  # closing the picture would close it
        picture = DeepColourTiff(source)
    if kind == "JXL" and not getattr(picture, "jpeg", False):
        picture.info.pop("exif", None)  # its turn mark is for show: the decoder has turned the picture already
    read = {"PNG": _png_code, "AVIF": _box_code, "HEIF": _box_code}.get(picture.format or "")
    # PNG ranks its numbers before an ICC profile, the others behind it
    if read is not None and (picture.format == "PNG" or "icc_profile" not in picture.info):
        code = _at_start(source, read)
        if code is not None:
            picture.info["cicp"] = code
    return picture


def _optional(kind: str) -> tuple[str, ...]:
    """The format itself, its package loaded, where it is one of those that Pillow alone does not read."""
    if kind not in OPTIONAL or not can_read(kind):
        return ()
    module = importlib.import_module(OPTIONAL[kind].module)  # JPEG XL registers itself
    if kind == "HEIF":
        module.register_heif_opener()
    return (kind,)


def _refuse_bomb(size: tuple[int, int] | None) -> None:
    """JPEG XL is decoded while it is opened: its size is asked for before that."""
    from PIL import Image

    if size is None:
        raise OSError("its size cannot be read")
    if size[0] * size[1] > MAX_PIXELS:
        raise Image.DecompressionBombError(f"Image size ({size[0] * size[1]} pixels) exceeds the limit")


def jxl_size(raw: bytes) -> tuple[int, int] | None:
    """Width and height of a JPEG XL file from its first bytes (ISO/IEC 18181-1, "SizeHeader"); None: not found."""
    at = _jxl_stream(raw)
    if at < 0 or len(raw) < at + 12:
        return None
    bits = int.from_bytes(raw[at + 2 : at + 12], "little")

    def take(count: int) -> int:
        nonlocal bits
        value = bits & ((1 << count) - 1)
        bits >>= count
        return value

    small = take(1)

    def side() -> int:
        return 8 * (take(5) + 1) if small else 1 + take(JXL_BITS[take(2)])

    height = side()
    ratio = take(3)
    if ratio == 0:
        return side(), height
    across, down = JXL_RATIOS[ratio - 1]
    return height * across // down, height


def _jxl_stream(raw: bytes) -> int:
    """Where the codestream begins, bare or in its box; -1 where it does not."""
    if raw.startswith(JXL_START):
        return 0
    for box, before in ((b"jxlc", 4), (b"jxlp", 8)):  # a part has its number before the stream
        at = raw.find(box)
        if at >= 0 and raw[at + before : at + before + 2] == JXL_START:
            return at + before
    return -1


def _at_start(source: IO[bytes], read: Callable[[IO[bytes]], Read]) -> Read:
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
