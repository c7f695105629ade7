"""Whether a picture file can be used, and the sentence where it cannot: one answer for the plan and the trainer."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import IO, TYPE_CHECKING

from trainer.contract.paths import os_words
from trainer.contract.pictures.formats import first_bytes, unreadable_words
from trainer.contract.pictures.inside import MEND, NotInside, open_inside
from trainer.contract.pictures.opening import MAX_BYTES, MAX_PIXELS, open_image
from trainer.contract.units import in_bytes

if TYPE_CHECKING:
    from PIL.Image import Image


PASSES = 200  # of a JPEG; a camera writes one, the web about ten, and each pass of a large one can take a second
CHUNK = 1 << 20
SMALL = (64, 64)  # px; a JPEG is decoded no larger to be judged, which still reads all of it
TAIL = 64  # bytes at the end of a file
PNG_END, JPEG_END = b"IEND\xae\x42\x60\x82", b"\xff\xd9"


class BadPicture(ValueError):
    """A picture cannot be used; the message has no file name, the caller knows it."""


@contextmanager
def usable(path: Path, header: bool = False) -> Iterator[Image]:
    """The picture with its header read, not too large to be decoded and no trap; decode it inside.

    `header`: no more of it is wanted, and no trap is looked for. Raises BadPicture, also for what goes wrong while it
    is decoded.
    """
    from PIL import Image, UnidentifiedImageError

    try:
        with open_inside(path) as file, open_image(_bounded(file)) as opened:
            if opened.width * opened.height > MAX_PIXELS:
                raise BadPicture(f"{opened.width}x{opened.height} is more than {MAX_PIXELS // 10**6} megapixels")
            if not header and opened.format in ("JPEG", "MPO") and (passes := _passes(path)) > PASSES:
                raise BadPicture(stalling_words(passes))
            yield opened
    except BadPicture:
        raise
    except NotInside as error:
        raise BadPicture(f"{os_words(error)}: it is not read; {MEND}") from None
    except UnidentifiedImageError:
        what, remedy = unreadable_words(first_bytes(path))
        raise BadPicture("; ".join(filter(None, (what or "not a picture in any known format", remedy)))) from None
    except Image.DecompressionBombError:
        raise BadPicture(f"more than {MAX_PIXELS // 10**6} megapixels") from None
    except Exception as error:  # decoders raise many kinds for a damaged file: AVIF's a RuntimeError
        raise BadPicture(f"cannot be read: {error or type(error).__name__}") from None


def _bounded(file: IO[bytes]) -> IO[bytes]:
    if os.fstat(file.fileno()).st_size > MAX_BYTES:
        raise BadPicture(f"the file is larger than {in_bytes(MAX_BYTES)}")
    return file


def why_unusable(path: Path) -> str:
    """Why a picture cannot be trained on; empty if it can. A plan asks many times, and is answered from before.

    Of most the header and the end are looked at; only what seems cut short is decoded to be judged.
    """
    try:
        info = path.stat()
    except OSError as error:
        return f"it cannot be read: {os_words(error)}"
    return _looked(path, (info.st_size, info.st_mtime_ns, info.st_ctime_ns, info.st_ino))


@lru_cache(maxsize=4096)
def _looked(path: Path, _seen: tuple[int, ...]) -> str:
    try:
        with usable(path) as opened:
            if not _ends_whole(path, opened.format or ""):
                opened.draft("RGB", SMALL)
                opened.load()
    except BadPicture as error:
        return str(error)
    return ""


def passes_in(before: bytes, chunk: bytes) -> int:
    """The passes of a JPEG that begin in a part of it; `before` is the byte before the part."""
    return chunk.count(b"\xff\xda") + (before == b"\xff" and chunk[:1] == b"\xda")


def stalling_words(passes: int) -> str:
    """What is said of a JPEG that was made to keep its reader busy."""
    return f"a JPEG of {passes:,} passes: reading it would take very long"


def _passes(path: Path) -> int:
    passes, before = 0, b""
    with open_inside(path) as file:
        while chunk := file.read(CHUNK):
            passes += passes_in(before, chunk)
            before = chunk[-1:]
    return passes


def _ends_whole(path: Path, kind: str) -> bool:
    """Whether a file of Pillow's format `kind` ends as that format does; False also where nobody can say."""
    with open_inside(path) as file:
        head = file.read(8)
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - TAIL))
        tail = file.read(TAIL)
    if kind == "WEBP":
        return int.from_bytes(head[4:], "little") + 8 <= size
    return {"PNG": PNG_END in tail, "JPEG": tail.rstrip(b"\0").endswith(JPEG_END)}.get(kind, False)
