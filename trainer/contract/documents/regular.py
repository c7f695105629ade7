"""Reads the bytes of regular files up to a size: no pipe is waited for, no device is drained."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

from trainer.contract.documents.document import Document, unread
from trainer.contract.entries import BadEntry, opened_folder
from trainer.contract.paths import os_words
from trainer.contract.units import in_bytes

KINDS = ((stat.S_ISDIR, "a folder"), (stat.S_ISFIFO, "a pipe"), (stat.S_ISSOCK, "a socket"))


def read_bytes(path: Path, limit: int, root: Path | None = None) -> Document[bytes]:
    """The bytes of a regular file of at most `limit` bytes.

    `root`: a folder that others may have filled, such as a run's; no name in it may be a link. None: the path is a
    person's own, and may lead through links.
    """
    try:
        descriptor = open_regular(path, root)
    except FileNotFoundError:
        return Document(None, "it is missing", absent=True)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        return unread(_words(error))
    with os.fdopen(descriptor, "rb") as file:
        try:
            found = file.read(limit + 1)  # a file of /proc has no size before it is read
        except (OSError, MemoryError) as error:
            return unread(_words(error))
    return unread(f"it is larger than {in_bytes(limit)}") if len(found) > limit else Document(found)


def read_regular(path: Path, limit: int) -> bytes | None:
    """The bytes of a regular file of at most `limit` bytes; None if it is larger, no regular file, or unreadable."""
    return read_bytes(path, limit).value


def open_regular(path: Path, root: Path | None = None) -> int:
    """A descriptor to read a regular file from; `root` as in `read_bytes`.

    Raises OSError, for what is not a regular file too, or ValueError for a name that none can have.
    """
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY  # a pipe without a writer is opened at once
    if root is None:
        descriptor = os.open(path, flags)
    else:
        with opened_folder(path.parent, root) as folder:
            descriptor = os.open(path.name, flags | os.O_NOFOLLOW, dir_fd=folder)
    mode = os.fstat(descriptor).st_mode
    if not stat.S_ISREG(mode):
        os.close(descriptor)
        kind = next((words for is_kind, words in KINDS if is_kind(mode)), "a device")
        raise OSError(errno.EINVAL, f"it is {kind} and not a file", str(path))
    return descriptor


def _words(error: Exception) -> str:
    if isinstance(error, BadEntry):
        return f"it cannot be read: {error}"
    if isinstance(error, OSError):
        match error.errno:
            case errno.ELOOP:
                return "it is a link, and links are not followed here"
            case errno.EINVAL:
                return str(error.strerror)
        return f"it cannot be read: {os_words(error)}"
    return "it cannot be read"
