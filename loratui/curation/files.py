"""Opens each picture once: is it one, is it whole, is it safe to decode, how large is it, what is its content hash."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from loratui.curation.report import Finding
from loratui.text import safe_text
from trainer.contract.pictures import FORMATS, MAX_BYTES, MAX_PIXELS

ORIENTATION = 274  # EXIF tag; 5 to 8 turn the picture by 90 degrees
SKIP = "skip it, or put a whole copy in its place"


@dataclass(frozen=True)
class Opened:
    """A picture as far as it could be read; `problem` says what stopped that."""

    width: int = 0
    height: int = 0
    sha256: str = ""
    problem: Finding | None = None


def open_picture(name: str, path: Path) -> Opened:
    """Read the picture to its end. What is wrong with it comes back as a blocking finding, never as an exception."""
    try:
        size = path.stat().st_size
        if size == 0:
            return Opened(problem=_block("empty-file", name, 0, "the file is empty (0 bytes)", SKIP))
        if size > MAX_BYTES:
            said = f"the file has {size / 1e6:.0f} MB; at most {MAX_BYTES // 10**6} MB are read"
            return Opened(problem=_block("too-large", name, size, said, "save a smaller copy, or skip it"))
        sha = _hash(path)
    except OSError as error:
        said = f"the file cannot be read: {error.strerror or error}"
        return Opened(problem=_block("unreadable", name, None, said, SKIP))
    return _decode(name, path, sha)


def _decode(name: str, path: Path, sha: str) -> Opened:
    import warnings

    from PIL import Image, UnidentifiedImageError

    warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)  # said as a finding, not on the screen
    try:
        picture = Image.open(path, formats=FORMATS)
    except Image.DecompressionBombError as error:
        found = re.search(r"\((\d+) pixels\)", str(error))
        return Opened(sha256=sha, problem=_bomb(name, int(found[1]) if found else None))
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError):
        known = "JPEG, PNG, WebP, BMP, TIFF or GIF"
        said = f"this is no picture that can be read ({known})"
        return Opened(sha256=sha, problem=_block("unreadable", name, None, said, SKIP))
    with picture:
        width, height = picture.size
        if width * height > MAX_PIXELS:
            return Opened(width, height, sha, _bomb(name, width * height))
        problem = None
        try:
            if picture.getexif().get(ORIENTATION, 1) in (5, 6, 7, 8):
                width, height = height, width
            picture.draft("RGB", (picture.width // 8, picture.height // 8))  # JPEG: reads every byte, in an eighth
            picture.load()
        except Exception as error:  # Pillow's plugins raise many kinds on broken files
            problem = _broken(name, error)
    return Opened(width, height, sha, problem)


def _broken(name: str, error: Exception) -> Finding:
    said = safe_text(error, 80)
    if "truncated" in said or isinstance(error, EOFError):
        return _block("truncated", name, None, f"the file ends before the picture does ({said})", SKIP)
    return _block("unreadable", name, None, f"the picture cannot be decoded ({said})", SKIP)


def _bomb(name: str, pixels: int | None) -> Finding:
    size = f"{pixels / 1e6:,.0f}" if pixels else "too many"
    said = f"the picture has {size} megapixels; at most {MAX_PIXELS // 10**6} are decoded"
    return _block("too-large", name, pixels, said, "save a smaller copy, or skip it")


def _block(code: str, name: str, value: int | None, message: str, remedy: str) -> Finding:
    return Finding(code, "block", name, value, message, remedy, acceptable=False)


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
