"""Which files of a folder are pictures, and which caption belongs to each: one rule for the checks and the trainer."""

from __future__ import annotations

import os
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from trainer.contract.paths import can_see, is_folder, os_words
from trainer.contract.pictures.captions import CaptionSource, find_captions
from trainer.contract.pictures.companions import companion_problem, companions
from trainer.contract.pictures.contents import instead_of_pictures, no_folder_words
from trainer.contract.pictures.formats import is_picture
from trainer.contract.pictures.metadata import METADATA as METADATA
from trainer.contract.pictures.problems import Problem as Problem
from trainer.contract.pictures.regular import read_regular as read_regular
from trainer.contract.pictures.sidecars import MAX_CAPTION_BYTES as MAX_CAPTION_BYTES


@dataclass(frozen=True)
class Picture:
    """A picture of the folder and its caption; `caption` is None where it has none of its own."""

    name: str  # relative to the folder
    path: Path
    caption: str | None
    source: CaptionSource
    text_file: Path | None = None  # that holds the caption, where the source is a sidecar


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
    file_name is the picture's; trainer.contract.pictures.captions says where else. Masks and other files that belong
    to a picture are left out. Raises NoDataset with a sentence.
    """
    names = _picture_names(folder)
    others = companions(folder, names)
    names = [one for one in names if one not in others]
    left = set(skip)
    wanted = [one for one in names if one not in left]
    found = find_captions(folder, names, wanted, caption_column)
    pictures = []
    for name in wanted:
        one = found.captions.get(name)
        if one is None:
            pictures.append(Picture(name, folder / name, None, "none"))
        else:
            pictures.append(Picture(name, folder / name, one.words, one.source, one.file))
    problems = [*found.problems, *([companion_problem(others)] if others - left else [])]
    return Listing(tuple(pictures), tuple(problem for problem in problems if problem.file not in left))


def count_pictures(folder: Path, most: int | None = None) -> int:
    """How many `list_pictures` lists; `most` for that many and more. 0 for a folder that cannot be read."""
    try:
        with os.scandir(folder) as entries:
            names = list(islice((one.name for one in entries if is_picture(Path(one.path))), most))
    except OSError:
        return 0
    return len(names) if len(names) == most else len(names) - len(companions(folder, names))


def _picture_names(folder: Path) -> list[str]:
    if not can_see(folder):
        raise NoDataset(f"there is no folder '{folder}' that you may look into; check the spelling")
    if not is_folder(folder):
        raise NoDataset(f"'{folder}' {no_folder_words(folder)}")
    try:
        entries = list(os.scandir(folder))
    except OSError as error:
        raise NoDataset(f"'{folder}' cannot be read: {os_words(error)}") from None
    names = [one.name for one in entries if is_picture(Path(one.path))]
    if not names:
        raise NoDataset(f"'{folder}' holds no pictures: {instead_of_pictures(folder)}")
    return sorted(names)
