"""Paths as people and their files write them: to look whether something is there never raises, and why not in words.

Python's own questions raise for a name that is too long and for a folder that is shut, and `expanduser` for a user
whom nobody knows. What cannot be looked at is not there, and is said to be so by the one who asked.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

_REASONS = {
    errno.ENOENT: "it is not there",
    errno.ENOTDIR: "a file stands where a folder is wanted",
    errno.EISDIR: "it is a folder",
    errno.EEXIST: "something is there already",
    errno.ENOTEMPTY: "it is not empty",
    errno.EACCES: "your user is not allowed to (its owner can allow it: chmod)",
    errno.EPERM: "your user is not allowed to (its owner can allow it: chmod)",
    errno.EROFS: "what lies there can only be read",
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "your share of the disk is full",
    errno.EFBIG: "the file is too large for that disk",
    errno.EIO: "the disk reports an error",
    errno.ESTALE: "the folder was lost on the network",
    errno.ENAMETOOLONG: "the name is too long",
    errno.ELOOP: "its links lead in a circle",
    errno.EBADF: "it is closed",
    errno.EBUSY: "another program uses it",
    errno.EMFILE: "too many files are open",
    errno.ENFILE: "too many files are open",
    errno.ENOMEM: "there is too little memory",
}


def expanded(text: str | Path) -> Path:
    """`text` with its ~ resolved; where there is no such user, as it is written."""
    path = Path(text)
    try:
        return path.expanduser()
    except RuntimeError:
        return path


def can_see(path: Path) -> bool:
    """Whether something is there, as far as this user may look: a closed folder hides what it has."""
    return os.path.exists(path)  # noqa: PTH110 - unlike Path.exists it never raises


def is_folder(path: Path) -> bool:
    """Whether a folder stands there, or a link to one."""
    return os.path.isdir(path)  # noqa: PTH112


def is_file(path: Path) -> bool:
    """Whether a file stands there, or a link to one."""
    return os.path.isfile(path)  # noqa: PTH113


def os_words(error: Exception, path: Path | None = None, shown: Callable[[Path], str] = str) -> str:
    """Why the system refused, as the end of a sentence: "there is no folder 'new'", "the disk is full".

    `path`: what the sentence is about, where it is known; `shown`: how a name is written. What was said in words of
    our own stays, also by an error that is not the system's.
    """
    if not isinstance(error, OSError):
        return str(error)
    if error.errno is None or error.strerror not in (None, os.strerror(error.errno)):
        return error.strerror or str(error)
    named = Path(error.filename) if isinstance(error.filename, str) else None
    place = path or named
    if place is not None and error.errno in (errno.ENOENT, errno.ENOTDIR, errno.EEXIST):
        above = next((one for one in place.parents if can_see(one)), Path("/"))
        if not is_folder(above):
            return f"'{shown(above)}' is a file and not a folder"
        if above != place.parent:
            return f"there is no folder '{shown(place.parent)}'"
        if path is None and error.errno == errno.ENOENT:
            return f"'{shown(place)}' is not there"
    return _REASONS.get(error.errno) or f"the system says '{error.strerror}'"


def os_sentence(error: Exception, shown: Callable[[Path], str] = str) -> str:
    """The same as a sentence of its own, for where nothing before it names the place."""
    words = os_words(error, shown=shown)
    if not isinstance(error, OSError) or words == error.strerror or not isinstance(error.filename, str):
        return words
    place = shown(Path(error.filename))
    return words if f"'{place}'" in words else f"'{place}': {words}"
