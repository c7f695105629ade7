"""Which pictures lack a caption, and how a new one becomes a file: whole or not there, and never over another."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from trainer.contract import entries
from trainer.contract.entries import opened_folder, sweep
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


def write_new(path: Path, text: str, root: Path | None = None) -> bool:
    """Write a caption in one step. False, and nothing done, if a file stands there by now.

    No name from `root` down may be a link. Raises BadEntry, OSError.
    """
    return entries.write_new(path, text + "\n", 0o644, root)


@contextlib.contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Hold the folder's own lock: two captioners would do the work twice. Raises InUse; leaves no file."""
    with opened_folder(folder) as descriptor:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InUse(f"another captioner works in '{folder}'; let it end, or stop it") from None
        except OSError:
            pass  # some network file systems have no locks; nothing is overwritten all the same
        else:
            sweep(folder)
        yield
