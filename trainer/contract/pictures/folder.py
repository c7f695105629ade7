"""Which files of a folder are pictures, and which caption belongs to each: one rule for the checks and the trainer."""

from __future__ import annotations

import csv
import io
import json
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from trainer.contract.pictures.contents import instead_of_pictures, no_folder_words
from trainer.contract.pictures.formats import is_picture
from trainer.contract.units import in_bytes

MAX_PIXELS = 100_000_000  # a 20 kB PNG can claim a gigabyte; the header is asked first
MAX_BYTES = 200_000_000  # of one file
METADATA = ("metadata.jsonl", "metadata.csv")
MAX_CAPTION_BYTES = 64 * 1024
MAX_METADATA_BYTES = 64 * 1024 * 1024

CaptionSource = Literal["sidecar", "metadata", "none"]


@dataclass(frozen=True)
class Problem:
    """Something wrong with a file of the dataset, in words for the person."""

    file: str
    code: str
    message: str
    remedy: str


@dataclass(frozen=True)
class Picture:
    """A picture of the folder and its caption; `caption` is None where it has none of its own."""

    name: str  # relative to the folder
    path: Path
    caption: str | None
    source: CaptionSource


@dataclass(frozen=True)
class Listing:
    """The pictures of a folder in sorted order, and what was wrong with the captions."""

    pictures: tuple[Picture, ...]
    problems: tuple[Problem, ...]


class NoDataset(ValueError):
    """The folder is missing, is no folder, cannot be read, or holds no picture."""


def list_pictures(folder: Path, caption_column: str = "prompt", skip: tuple[str, ...] = ()) -> Listing:
    """The regular, visible picture files of `folder` itself with their captions.

    A caption stands in the .txt beside the picture, or else in the row of metadata.jsonl or metadata.csv whose
    file_name is the picture's. Raises NoDataset with a sentence.
    """
    names = _picture_names(folder)
    problems: list[Problem] = []
    rows = _metadata_captions(folder, caption_column, problems)
    for name in sorted(set(rows) - set(names)):
        text = f"the metadata has a caption for {name!r}, but no such picture stands in the folder"
        problems.append(Problem(name, "metadata-without-picture", text, "remove the row or put the picture back"))
    left = set(skip)
    pictures = tuple(_with_caption(folder, name, rows, problems) for name in names if name not in left)
    return Listing(pictures, tuple(problem for problem in problems if problem.file not in left))


def _picture_names(folder: Path) -> list[str]:
    if not folder.exists():
        raise NoDataset(f"there is no folder '{folder}'; check the spelling")
    if not folder.is_dir():
        raise NoDataset(f"'{folder}' {no_folder_words(folder)}")
    try:
        entries = list(os.scandir(folder))
    except OSError as error:
        raise NoDataset(f"'{folder}' cannot be read: {error.strerror}") from None
    names = [one.name for one in entries if is_picture(Path(one.path))]
    if not names:
        raise NoDataset(f"'{folder}' holds no pictures: {instead_of_pictures(folder)}")
    return sorted(names)


def _with_caption(folder: Path, name: str, rows: dict[str, str], problems: list[Problem]) -> Picture:
    path = folder / name
    sidecar = path.with_suffix(".txt")
    if sidecar.is_file():
        return Picture(name, path, _read_caption(sidecar, name, problems), "sidecar")
    if name in rows:
        return Picture(name, path, rows[name].strip() or None, "metadata")
    return Picture(name, path, None, "none")


def _read_caption(sidecar: Path, name: str, problems: list[Problem]) -> str | None:
    raw = read_regular(sidecar, MAX_CAPTION_BYTES)
    if raw is None:
        text = f"{sidecar.name} is larger than {in_bytes(MAX_CAPTION_BYTES)} or cannot be read"
        problems.append(Problem(name, "caption-unreadable", text, "keep one short caption in it"))
        return None
    try:
        caption = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        text = f"{sidecar.name} is not UTF-8 (byte {error.start})"
        problems.append(Problem(name, "caption-not-utf8", text, "save it as UTF-8"))
        return None
    return " ".join(caption.split()) or None


def _metadata_captions(folder: Path, column: str, problems: list[Problem]) -> dict[str, str]:
    for file in METADATA:
        if not (folder / file).is_file():
            continue
        raw = read_regular(folder / file, MAX_METADATA_BYTES)
        try:
            text = (raw or b"").decode("utf-8-sig")
        except UnicodeDecodeError as error:
            said = f"{file} is not UTF-8 (byte {error.start})"
            problems.append(Problem(file, "caption-not-utf8", said, "save it as UTF-8"))
            return {}
        parse = _jsonl_rows if file.endswith(".jsonl") else _csv_rows
        return _rows_inside(folder, file, column, parse(file, text, problems), problems)
    return {}


def _jsonl_rows(file: str, text: str, problems: list[Problem]) -> Iterator[tuple[int, dict[str, object]]]:
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError:
            row = None
        if isinstance(row, dict):
            yield number, row
        else:
            said = f"{file}:{number}: not a JSON object"
            problems.append(Problem(file, "metadata-bad-row", said, 'write {"file_name": "a.jpg", "prompt": "..."}'))


def _csv_rows(file: str, text: str, problems: list[Problem]) -> Iterator[tuple[int, dict[str, object]]]:
    reader = csv.DictReader(io.StringIO(text, newline=""))
    try:
        for row in reader:
            yield reader.line_num, dict(row)
    except csv.Error as error:
        said = f"{file}:{reader.line_num}: {error}"
        problems.append(Problem(file, "metadata-bad-row", said, "quote the caption"))


def _rows_inside(
    folder: Path,
    file: str,
    column: str,
    rows: Iterator[tuple[int, dict[str, object]]],
    problems: list[Problem],
) -> dict[str, str]:
    """Captions by file name; a row that names a file outside the folder is refused (datasets#8324)."""
    captions: dict[str, str] = {}
    for number, row in rows:
        name, caption = row.get("file_name"), row.get(column)
        if not isinstance(name, str) or not isinstance(caption, str):
            missing = "file_name" if not isinstance(name, str) else column
            said = f"{file}:{number}: no text in the column '{missing}'"
            problems.append(Problem(file, "metadata-bad-row", said, "fill it, or set dataset.caption_column"))
        elif Path(name).name != name:
            said = f"{file}:{number}: {name!r} is not the name of a file in this folder"
            problems.append(Problem(file, "metadata-outside", said, "name files of this folder only"))
        else:
            captions[name] = " ".join(caption.split())
    return captions


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
