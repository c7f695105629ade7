"""Which pictures lack a caption, and how a new one becomes a file: whole or not there, and never over another."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from trainer.contract.pictures.folder import Picture, list_pictures
from trainer.contract.settings.triggers import with_trigger


@dataclass(frozen=True)
class CaptionWork:
    """What is to be captioned, and what is left alone with the reason, by name."""

    wanted: tuple[Picture, ...]
    left: tuple[tuple[str, str], ...]
    notes: tuple[str, ...] = ()  # what is to be known of captions before a model writes others


@dataclass(frozen=True)
class CaptionFrame:
    """What stands around each caption; the trigger is put first where neither part holds it."""

    trigger: str
    prefix: str = ""
    suffix: str = ""

    def around(self, words: str) -> str:
        """The whole caption, one line: "TOK, a dog on a beach"."""
        whole = " ".join(f"{self.prefix} {words} {self.suffix}".split()).replace(" ,", ",")
        return with_trigger(whole, self.trigger).rstrip(" ,")


class InUse(RuntimeError):
    """Another captioner works in the folder."""


def find_work(folder: Path, caption_column: str = "prompt") -> CaptionWork:
    """The pictures without a caption. Raises NoDataset with a sentence."""
    wanted: list[Picture] = []
    left: list[tuple[str, str]] = []
    files: set[Path] = set()
    listing = list_pictures(folder, caption_column)
    for picture in listing.pictures:
        file = caption_file(picture.path)
        reason = _reason(picture, file, files)
        if reason:
            left.append((picture.name, reason))
        else:
            wanted.append(picture)
            files.add(file)
    notes = [f"{one.file}: {one.message}; {one.remedy}".removeprefix(": ") for one in listing.problems]
    return CaptionWork(tuple(wanted), tuple(left), tuple(notes))


def _reason(picture: Picture, file: Path, files: set[Path]) -> str:
    if picture.caption:
        return "has a caption" if picture.source == "sidecar" else "has a caption in the metadata"
    if os.path.lexists(file):
        return f"{file.name} is there, empty or not readable; it is not overwritten"
    return f"shares {file.name} with another picture" if file in files else ""


def caption_file(picture: Path) -> Path:
    """The .txt beside a picture."""
    return picture.with_suffix(".txt")


def write_new(path: Path, text: str) -> bool:
    """Write a caption in one step. False, and nothing done, if a file stands there by now; raises OSError."""
    aside = path.with_name(f".{path.name}.part")
    try:
        with aside.open("w", encoding="utf-8") as file:
            file.write(text + "\n")
            file.flush()
            os.fsync(file.fileno())
        return _put(aside, path)
    finally:
        aside.unlink(missing_ok=True)


def _put(aside: Path, path: Path) -> bool:
    try:
        path.hardlink_to(aside)  # unlike a rename, this refuses to replace
    except FileExistsError:
        return False
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK):
            raise
        try:  # a file system without links: claim the name, then replace the claim
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644))
        except FileExistsError:
            return False
        aside.replace(path)
    return True


@contextlib.contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Hold the folder's own lock: two captioners would do the work twice. Raises InUse; leaves no file."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InUse(f"another captioner works in '{folder}'; let it end, or stop it") from None
        except OSError:
            pass  # some network file systems have no locks; nothing is overwritten all the same
        yield
    finally:
        os.close(descriptor)
