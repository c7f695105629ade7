"""`python -m trainer.materialise SOURCE --column prompt`: a data set written out as an ordinary folder of pictures."""

from __future__ import annotations

if __name__ == "__main__":  # before the imports, which take seconds
    from trainer.contract.run.program import begin

    begin()

import argparse
import contextlib
import fcntl
import hashlib
import importlib.util
import json
import os
import shutil
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from trainer.contract.entries import folder_aside, make_private, open_file, rename, sweep, write_atomic
from trainer.contract.paths import expanded, os_words
from trainer.contract.pictures.folder import NoDataset
from trainer.contract.pictures.sources import NOTE, NoColumn, origin_of, written_folder
from trainer.contract.run import exits
from trainer.contract.units import in_bytes
from trainer.ground.error_line import first_line
from trainer.materialise.hub import fetch
from trainer.materialise.rows import Rows, WantedRows, open_rows

LAYOUT = 1  # of what is written: part of the digest
MAX_ROWS = 100_000  # a LoRA learns from tens of pictures; a larger set is a name mistaken
INSTALL = "reading data sets needs the package 'datasets': pip install 'loratui[datasets]'"
MAGIC = (
    (b"\xff\xd8\xff", ".jpg"),
    (b"\x89PNG\r\n\x1a\n", ".png"),
    (b"GIF8", ".gif"),
    (b"BM", ".bmp"),
    (b"II*\0", ".tif"),
    (b"MM\0*", ".tif"),
)


class ProgressLines:
    """Says on stdout, one JSON object a line, how far it is: once a second, so that a reader sees it lives."""

    def __init__(self) -> None:
        self._now: dict[str, Any] = {"type": "phase", "name": "read", "done": 0, "total": 0}
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._repeat, daemon=True)

    def __enter__(self) -> ProgressLines:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def at(self, name: str, done: int, total: int) -> None:
        """So much of this phase is done; `total` is 0 where nobody knows it."""
        self._now = {"type": "phase", "name": name, "done": done, "total": total}

    def _repeat(self) -> None:
        while not self._over.wait(1.0):
            _say(self._now)


def main(arguments: list[str]) -> int:
    """Write the data set out, or find it written; the last line says where, or what is wrong. Returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m trainer.materialise", allow_abbrev=False)
    parser.add_argument("source", help="a folder, or owner/name on the hub, with @revision if one is meant")
    parser.add_argument("--column", default="prompt", help="the column that holds the captions; empty: none are wanted")
    parser.add_argument("--subset", default="", help="the configuration; left out: its default")
    parser.add_argument("--split", default="train")
    given = parser.parse_args(arguments)
    try:
        with ProgressLines() as tell:
            folder = materialise(given.source, WantedRows(given.column, given.subset, given.split), tell)
    except NoDataset as error:
        _say({"type": "error", "message": str(error), "columns": list(getattr(error, "columns", ()))})
        return exits.DATASET
    except KeyboardInterrupt:
        return exits.STOPPED
    _say({"type": "end", "folder": str(folder)})
    return exits.DONE


def materialise(source: str, wanted: WantedRows, tell: ProgressLines) -> Path:
    """The folder of pictures that `source` comes to; written at the first call, whole or not at all.

    A start that was cut off leaves nothing but an unfinished folder aside, which the next one replaces; what was
    downloaded stays in the hub's cache. Raises NoDataset or NoColumn.
    """
    origin = origin_of(source)
    if origin == "pictures":
        return expanded(source).absolute()
    if importlib.util.find_spec("datasets") is None:
        raise NoDataset(INSTALL)
    if wanted.column == "file_name":
        raise NoColumn("the caption column cannot be 'file_name'", ())
    if origin == "hub":
        known = written_folder() / _digest(source, source, wanted)
        if known.is_dir():  # pinned, and written before: the hub is not asked
            return known
        folder, pinned = fetch(source, lambda done, total: tell.at("download", done, total))
        content = pinned
    else:
        folder = expanded(source).absolute()
        pinned, content = str(folder), _fingerprint(folder)
    target = written_folder() / _digest(pinned, content, wanted)
    if target.is_dir():
        return target
    with contextlib.suppress(OSError):
        make_private(target.parent)
    if not os.access(target.parent, os.W_OK | os.X_OK):
        said = f"its pictures are written out into {target.parent}, which cannot be written"
        raise NoDataset(f"{said}; let XDG_CACHE_HOME name another place")
    with _alone(target):
        if not target.is_dir():
            _write_aside(folder, target, {"source": pinned, **vars(wanted)}, wanted, tell)
    return target


def _write_aside(folder: Path, target: Path, note: dict[str, Any], wanted: WantedRows, tell: ProgressLines) -> None:
    sweep(target.parent)
    need, free = _size(folder), shutil.disk_usage(target.parent).free
    if need > free:
        raise NoDataset(f"the data set has {in_bytes(need)}, and {in_bytes(free)} are free for its pictures")
    try:
        with folder_aside(target) as aside:
            rows = _opened(folder, wanted)
            count = _write_rows(rows, aside, wanted.column, tell)
            write_atomic(aside / NOTE, json.dumps({**note, "pictures": count}) + "\n")
            rename(aside, target, target.parent)
    except OSError as error:
        raise NoDataset(f"the pictures cannot be written into {target.parent}: {os_words(error)}") from None


def _opened(folder: Path, wanted: WantedRows) -> Rows:
    try:
        return open_rows(folder, wanted)
    except NoDataset:
        raise
    except Exception as error:  # the readers raise many kinds on broken files
        raise _broken(error) from None


def _write_rows(rows: Rows, aside: Path, column: str, tell: ProgressLines) -> int:
    """Write 000000.jpg and so on as they are, byte for byte, and metadata.jsonl; returns how many."""
    lines = []
    for picture, caption in _numbered(rows):
        number = len(lines)
        if number == MAX_ROWS:
            raise NoDataset(f"the data set has more than {MAX_ROWS:,} pictures; choose a smaller split or subset")
        name = f"{number:06d}{ending(picture)}"
        write_atomic(aside / name, picture)
        lines.append(json.dumps({"file_name": name, column: caption}) + "\n")
        tell.at("write", number + 1, rows.total)
    if not lines:
        raise NoDataset("the data set has no rows")
    if rows.captioned:
        write_atomic(aside / "metadata.jsonl", "".join(lines))
    return len(lines)


def _numbered(rows: Rows) -> Iterator[tuple[bytes, str]]:
    """Bytes and caption of each row; a row without bytes is an empty file, which the check names."""
    try:
        for row in rows.rows:
            yield row.picture or b"", row.caption
    except NoDataset:
        raise
    except Exception as error:  # as above
        raise _broken(error) from None


def _broken(error: Exception) -> NoDataset:
    return NoDataset(f"the data set cannot be read: {first_line(error)}")


def ending(picture: bytes) -> str:
    """The file ending that the first bytes ask for; what is no picture gets one too, so that the check names it."""
    if picture[:4] == b"RIFF" and picture[8:12] == b"WEBP":
        return ".webp"
    return next((name for magic, name in MAGIC if picture.startswith(magic)), ".jpg")


def _digest(pinned: str, content: str, wanted: WantedRows) -> str:
    words = (LAYOUT, pinned, content, wanted.column, wanted.subset, wanted.split)
    return hashlib.blake2b(json.dumps(words).encode("utf-8", "backslashreplace"), digest_size=12).hexdigest()


def _fingerprint(folder: Path) -> str:
    """Names, sizes and times of a local data set's files: another one where any of them changed."""
    told = [(str(one.relative_to(folder)), one.stat().st_size, one.stat().st_mtime_ns) for one in _visible(folder)]
    return json.dumps(sorted(told))


def _size(folder: Path) -> int:
    return sum(one.stat().st_size for one in _visible(folder))


def _visible(folder: Path) -> list[Path]:
    return [one for one in folder.rglob("[!.]*") if one.is_file()]


@contextlib.contextmanager
def _alone(target: Path) -> Iterator[None]:
    """One process writes a data set; another that wants the same waits, and finds it written."""
    descriptor = open_file(target.with_name(f".{target.name}.lock"), os.O_RDWR | os.O_CREAT)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _say(event: dict[str, Any]) -> None:
    print(json.dumps(event), flush=True)


if __name__ == "__main__":
    from trainer.contract.run.program import run_program

    run_program(lambda: main(sys.argv[1:]))
