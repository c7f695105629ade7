"""Opens, makes, replaces and removes what lies in a folder that others may have filled: a link is never followed.

Each function takes a path and `root`, the folder that a person named: how that one is reached is theirs, and may be
through links; no name from there down may be one. Without `root` only the last name is looked at. Every step is taken
from the open folder before it, so that a folder which is swapped for a link meanwhile is not followed either.
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
import secrets
import shutil
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Literal

Kind = Literal["file", "folder", "link"]  # a pipe or device counts as a file here

ASIDE = re.compile(r"\.loratui-(\d{1,10})-[0-9a-f]{12}\.part")  # what is written before it gets its name; our pid
LEFT = 60.0  # seconds after which what no process holds is left over, whoever has its pid now
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_PLAIN = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC  # a FIFO is refused, not waited for


class BadEntry(OSError):
    """A name that is a link, or no file or folder where one must be: it was left alone. `str()` is a sentence."""

    def __init__(self, path: Path, what: str, root: Path | None = None) -> None:
        shown = path.relative_to(root) if root is not None and path.is_relative_to(root) else path.name
        super().__init__(errno.ELOOP, f"'{shown}' {what}", str(path))

    def __str__(self) -> str:
        return str(self.strerror)


LINK = "is a link: remove it, or put a copy of what it leads to there"


@contextmanager
def opened_folder(folder: Path, root: Path | None = None, make: bool = False) -> Iterator[int]:
    """A descriptor of `folder`; with `make` what is missing below `root` is made, for its owner alone.

    Raises BadEntry for a link, OSError.
    """
    root = folder if root is None else root
    names = folder.relative_to(root).parts if folder.is_relative_to(root) else ("..",)
    if ".." in names:
        raise BadEntry(folder, f"does not lie in '{root.name}'")
    descriptor, at = os.open(root, _FOLDER), root
    try:
        for name in names:
            at /= name
            if make:
                with suppress(FileExistsError):
                    os.mkdir(name, 0o700, dir_fd=descriptor)
            try:
                inner = os.open(name, _FOLDER | os.O_NOFOLLOW, dir_fd=descriptor)
            except OSError as error:
                raise _told(error, at, root, descriptor) from None
            os.close(descriptor)
            descriptor = inner
        yield descriptor
    finally:
        os.close(descriptor)


def open_file(path: Path, flags: int, mode: int = 0o600, root: Path | None = None) -> int:
    """A descriptor of a regular file, opened as os.open does. Raises BadEntry for anything else, OSError."""
    with opened_folder(path.parent, root) as folder:
        try:
            descriptor = os.open(path.name, flags | _PLAIN, mode, dir_fd=folder)
        except OSError as error:
            raise _told(error, path, root, folder) from None
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise BadEntry(path, "is not a regular file", root)
    os.set_blocking(descriptor, True)
    return descriptor


def write_atomic(path: Path, data: bytes | str, mode: int = 0o600, root: Path | None = None) -> None:
    """Write `data` aside, flush it to disk and rename it over `path`: a reader sees the old or the new, never half.

    A link at `path` is replaced by the file; what it leads to stays as it is. Raises BadEntry, OSError.
    """
    with opened_folder(path.parent, root) as folder, _written(folder, data, mode) as aside:
        os.replace(aside, path.name, src_dir_fd=folder, dst_dir_fd=folder)


def write_swept(path: Path, data: bytes | str, mode: int = 0o600) -> None:
    """`write_atomic` into a folder that few write to: what killed processes left there goes first."""
    sweep(path.parent)
    write_atomic(path, data, mode)


def write_new(path: Path, data: bytes | str, mode: int = 0o600, root: Path | None = None) -> bool:
    """The same, but never over what is there: False, and nothing done, if anything stands at `path` by now."""
    with opened_folder(path.parent, root) as folder, _written(folder, data, mode) as aside:
        try:  # unlike a rename, this refuses to replace
            os.link(aside, path.name, src_dir_fd=folder, dst_dir_fd=folder, follow_symlinks=False)
        except FileExistsError:
            return False
        except OSError as error:
            if error.errno not in (errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK):
                raise
            try:  # a file system without hard links: claim the name, then replace the claim
                os.close(os.open(path.name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode, dir_fd=folder))
            except FileExistsError:
                return False
            os.replace(aside, path.name, src_dir_fd=folder, dst_dir_fd=folder)
    return True


@contextmanager
def folder_aside(beside: Path, root: Path | None = None) -> Iterator[Path]:
    """A new folder beside `beside`, for its owner alone; at the end it is removed, if it was not renamed by then."""
    name = _aside_name()
    with opened_folder(beside.parent, root, make=root is not None) as folder:
        os.mkdir(name, 0o700, dir_fd=folder)
        held = os.open(name, _FOLDER | os.O_NOFOLLOW, dir_fd=folder)
        try:
            _hold(held)
            yield beside.with_name(name)
        finally:
            shutil.rmtree(name, ignore_errors=True, dir_fd=folder)
            os.close(held)


def make_private(path: Path, root: Path | None = None) -> None:
    """Make a folder (and its parents) that only its owner can look into. Raises BadEntry for a link below `root`."""
    if root is None:
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
    else:
        with opened_folder(path, root, make=True):
            pass


def rename(old: Path, new: Path, root: Path) -> None:
    """Rename a file or folder below `root`, over what is at `new`; Raises BadEntry, OSError."""
    with opened_folder(old.parent, root) as source, opened_folder(new.parent, root) as target:
        os.replace(old.name, new.name, src_dir_fd=source, dst_dir_fd=target)


def remove(path: Path, root: Path | None = None) -> None:
    """Remove a file, a link itself or an empty folder, if it is there. Raises BadEntry for a link above it, OSError."""
    with suppress(FileNotFoundError), opened_folder(path.parent, root) as folder:
        try:
            os.unlink(path.name, dir_fd=folder)
        except (IsADirectoryError, PermissionError) as error:  # which of them is said of a folder depends on the system
            try:
                os.rmdir(path.name, dir_fd=folder)
            except NotADirectoryError:
                raise error from None


def remove_folder(path: Path, root: Path) -> None:
    """Remove a folder with all that is in it, as far as that can be; a link is left alone."""
    with suppress(OSError), opened_folder(path.parent, root) as folder:
        shutil.rmtree(path.name, ignore_errors=True, dir_fd=folder)


def names_in(folder: Path, root: Path | None = None) -> list[tuple[str, Kind]]:
    """Every name in `folder` with what it is, sorted. Raises BadEntry, OSError."""
    with opened_folder(folder, root) as descriptor, os.scandir(descriptor) as found:
        return sorted((one.name, _kind(one)) for one in found)


def link_below(folder: Path, root: Path, deep: bool = True) -> Path | None:
    """The first link in `folder`, by name; None without one, or without the folder. Raises OSError."""
    try:
        names = names_in(folder, root)
    except BadEntry as error:
        return Path(error.filename)
    except FileNotFoundError:
        return None
    for name, kind in names:
        below = folder / name if kind == "link" else None
        if kind == "folder" and deep:
            below = link_below(folder / name, root)
        if below is not None:
            return below
    return None


def _kind(entry: os.DirEntry[str]) -> Kind:
    if entry.is_symlink():
        return "link"
    return "folder" if entry.is_dir(follow_symlinks=False) else "file"


def sweep(folder: Path, root: Path | None = None) -> None:
    """Remove what processes that were killed left aside in `folder`; what one still writes stays. Never raises."""
    with suppress(OSError), opened_folder(folder, root) as descriptor:
        for name, _ in names_in(folder, root):
            if (found := ASIDE.fullmatch(name)) and _is_left(name, int(found[1]), descriptor):
                with suppress(OSError):
                    os.unlink(name, dir_fd=descriptor)
                shutil.rmtree(name, ignore_errors=True, dir_fd=descriptor)


@contextmanager
def _written(folder: int, data: bytes | str, mode: int) -> Iterator[str]:
    """The name of a new file in `folder` that holds `data`, on disk; gone at the end if it was not renamed."""
    name, raw = _aside_name(), data.encode() if isinstance(data, str) else data
    descriptor = os.open(name, os.O_RDWR | os.O_CREAT | os.O_EXCL | _PLAIN, mode, dir_fd=folder)
    try:
        with os.fdopen(descriptor, "wb") as file:
            _hold(descriptor)
            file.write(raw)
            file.flush()
            os.fsync(descriptor)
            yield name
    finally:
        with suppress(OSError):  # it was renamed
            os.unlink(name, dir_fd=folder)


def _aside_name() -> str:
    return f".loratui-{os.getpid()}-{secrets.token_hex(6)}.part"


def _hold(descriptor: int) -> None:
    """While it is open, `sweep` leaves it alone; the kernel lets go of it, however this process dies."""
    with suppress(OSError):  # a file system without locks: there `sweep` removes nothing
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)


def _is_left(name: str, pid: int, folder: int) -> bool:
    """Whether nobody holds what is aside, and it is old or of no living process: one may be about to hold it."""
    try:
        descriptor = os.open(name, os.O_RDONLY | _PLAIN, dir_fd=folder)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return time.time() - os.fstat(descriptor).st_mtime > LEFT or not _is_alive(pid)
    except OSError:
        return False
    finally:
        os.close(descriptor)


def _is_alive(pid: int) -> bool:
    if pid == os.getpid():
        return False  # what it writes now, it holds
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True


def _told(error: OSError, path: Path, root: Path | None, folder: int) -> OSError:
    """The error of a name in an open folder, with its whole path; a link is called what it is."""
    with suppress(OSError):
        kind = os.stat(path.name, dir_fd=folder, follow_symlinks=False).st_mode
        if stat.S_ISLNK(kind):
            return BadEntry(path, LINK, root)
        if error.errno == errno.ENXIO:
            return BadEntry(path, "is not a regular file", root)
        if error.errno == errno.ENOTDIR:
            return BadEntry(path, "is not a folder", root)
    return OSError(error.errno, error.strerror, str(path))
