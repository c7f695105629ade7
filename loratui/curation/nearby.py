"""Folders that hold pictures, below one or near to where a person works: counted as the checks list them, few deep."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from loratui.terminal.text import plural
from trainer.contract.pictures.companions import is_companion_folder
from trainer.contract.pictures.contents import is_litter
from trainer.contract.pictures.folder import count_pictures
from trainer.contract.run.rundir import home_folder

USUAL = ("Pictures", "Downloads", "Desktop", "photos", "pictures", "datasets")  # of a home folder
NOT_MEANT = frozenset({"samples", "checkpoints", "export", "node_modules", "site-packages", "venv"})
HERE = 3  # folders deep below the working folder: kohya/img/10_ohwx woman
MOST_SEEN, MOST_COUNTED, MOST_SHOWN = 300, 1000, 12  # folders looked into, pictures of one, folders named


@dataclass(frozen=True)
class PictureFolder:
    """A folder with pictures directly in it."""

    path: Path
    count: int

    @property
    def words(self) -> str:
        """ "12 pictures"."""
        return f"{MOST_COUNTED:,} pictures or more" if self.count >= MOST_COUNTED else plural(self.count, "picture")


def folders_below(folder: Path, depth: int = 2) -> tuple[PictureFolder, ...]:
    """Those below `folder`, by name; links are not followed, what cannot be read is passed over."""
    level, found, seen = [folder], [], 0
    for _ in range(depth):
        level = [child for one in level for child in _children(one)][: MOST_SEEN - seen]
        seen += len(level)
        found += [PictureFolder(one, count) for one in level if (count := count_pictures(one, MOST_COUNTED))]
    return tuple(sorted(found, key=lambda one: one.path))


def folders_nearby() -> tuple[PictureFolder, ...]:
    """Those in and below the working folder, then those of a home's usual places, the fullest first of each."""
    here, home = Path.cwd(), home_folder()
    near = [PictureFolder(here, count)] if (count := count_pictures(here, MOST_COUNTED)) else []
    near += sorted(folders_below(here, HERE), key=lambda one: -one.count)
    others = [
        PictureFolder(one, count) for name in USUAL if (count := count_pictures(one := home / name, MOST_COUNTED))
    ]
    others += [one for name in USUAL for one in folders_below(home / name, 1)]
    found = {os.path.realpath(one.path): one for one in (*others, *near)}  # the nearer of two ways to one
    kept = {id(one) for one in found.values()}
    return tuple(one for one in (*near, *others) if id(one) in kept)[:MOST_SHOWN]


def has_pictures(folder: Path) -> bool:
    """Whether pictures lie directly in `folder`."""
    return count_pictures(folder, 1) > 0


def _children(folder: Path) -> list[Path]:
    try:
        with os.scandir(folder) as entries:
            names = sorted(one.name for one in entries if _may_hold(one))
    except OSError:
        return []
    return [folder / name for name in names]


def _may_hold(one: os.DirEntry[str]) -> bool:
    name = one.name
    if name.startswith(".") or is_litter(name) or name in NOT_MEANT or is_companion_folder(name):
        return False
    return name.isprintable() and one.is_dir(follow_symlinks=False)
