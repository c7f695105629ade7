"""Reads files that others wrote: regular ones only, up to a size, and the text of those whose encoding is plain."""

from __future__ import annotations

import codecs
import os
import stat
from pathlib import Path

from trainer.contract.settings.triggers import plain_width

UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def read_regular(path: Path, limit: int) -> bytes | None:
    """The bytes of a regular file of at most `limit` bytes; None if it is larger, no regular file, or unreadable."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    with os.fdopen(descriptor, "rb") as file:
        info = os.fstat(descriptor)
        if not stat.S_ISREG(info.st_mode) or info.st_size > limit:
            return None
        return file.read(limit + 1)[:limit]


def is_file(path: Path) -> bool:
    """Whether a file stands there; a name that is too long, or a folder that is shut, is no file and no error."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def as_text(raw: bytes) -> str:
    """`raw` as UTF-8, or as UTF-16 where it begins with that byte order mark. Raises UnicodeDecodeError."""
    return raw.decode("utf-16" if raw.startswith(UTF16) else "utf-8-sig")


def one_line(text: str) -> str:
    """The words of a caption: in one line, in letters of plain width."""
    return " ".join(plain_width(text).split())
