"""Opens the files of a folder that others made: regular ones that lie in it, whatever a link in it points to."""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Iterator
from io import BufferedReader
from pathlib import Path

from trainer.contract.entries import BadEntry, open_file
from trainer.contract.paths import is_file

HUB_FOLDER = re.compile(r"(?:datasets|models|spaces)--.+")
SHARED = ".huggingface-shared-blobs"  # marks the store of a whole hub cache (huggingface_hub, utils/_shared_blobs.py)
SYSTEM = ("proc", "sys", "dev")  # what is in them are no files, and tells of this machine
MEMORY = ("dev", "shm")  # but for this one, where people keep data
KINDS = {
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFDIR: "a folder",
}
LEAVES = "a link that leads out of the folder"
MEND = "put the file itself in its place"


class NotInside(OSError):
    """What stands there is not read; `strerror` says what it is, such as "a link that leads out of the folder"."""

    def __init__(self, what: str, path: Path) -> None:
        super().__init__(errno.EPERM, what, str(path))


def open_inside(path: Path, root: Path | None = None) -> BufferedReader:
    """Open `path`, whose links may lead anywhere in `root` (left out: the folder it lies in), and nowhere else.

    A snapshot of the hub's cache holds links into that cache's store, which count as inside. No part of the way is a
    link when it is opened, so that none can be put in its place meanwhile. Raises NotInside for what leaves the folder
    and for what is not a regular file, FileNotFoundError for a link to nowhere, and OSError.
    """
    try:
        target = Path(os.path.realpath(path, strict=True))
        place = Path(os.path.realpath(root or path.parent, strict=True))
    except ValueError:  # a name with a zero byte, which is no file's
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path)) from None
    base = next((one for one in (place, *_stores(place)) if target.is_relative_to(one)), None)
    if base is None or _is_system(target):
        raise NotInside(LEAVES, path)
    kind = target.lstat().st_mode  # asked first: opening a device or a pipe can already do something
    if not stat.S_ISREG(kind):
        raise NotInside(KINDS.get(stat.S_IFMT(kind), LEAVES), path)
    try:
        return os.fdopen(open_file(target, os.O_RDONLY, root=base), "rb")
    except BadEntry:  # put there since
        raise NotInside(LEAVES, path) from None


def read_inside(path: Path, limit: int, root: Path | None = None) -> bytes | None:
    """The bytes of a file of at most `limit` bytes; None if it is larger, or is not opened by `open_inside`."""
    try:
        with open_inside(path, root) as file:
            return file.read(limit) if os.fstat(file.fileno()).st_size <= limit else None
    except OSError:
        return None


def why_not_inside(path: Path, root: Path | None = None) -> str:
    """What stands at `path` that is not read for what it is, in words; "" for a file, and where nothing is."""
    try:
        open_inside(path, root).close()
    except NotInside as error:
        return str(error.strerror)
    except OSError:
        return ""
    return ""


def stands(path: Path) -> bool:
    """Whether there is something to read or to name at `path`: anything but a folder, and a link to nowhere."""
    try:
        return not stat.S_ISDIR(path.stat().st_mode)
    except (OSError, ValueError):  # a link to itself; a name that is too long, or has a zero byte
        return False


def _stores(place: Path) -> Iterator[Path]:
    """Where the links of a hub snapshot lead to, if `place` lies in one: the store of its repository, or of the cache.

    A store that is itself a link is none: it could be anywhere.
    """
    for folder in place.parents:
        if HUB_FOLDER.fullmatch(folder.name) and place.is_relative_to(folder / "snapshots"):
            own, shared = folder / "blobs", folder.parent / "blobs"
            if not own.is_symlink():
                yield own
            if not shared.is_symlink() and is_file(shared / SHARED):
                yield shared


def _is_system(target: Path) -> bool:
    parts = target.parts[1:]
    return bool(parts) and parts[0] in SYSTEM and parts[:2] != MEMORY
