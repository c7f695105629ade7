"""What lies in the folder beside its pictures: sub-folders, links, hidden files, other formats, two of one name."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path, PurePath

from loratui.curation.report import Finding
from loratui.terminal.text import plural, safe_text
from trainer.contract.pictures.companions import is_companion_folder
from trainer.contract.pictures.folder import ENDINGS, Listing, NoDataset, Picture, list_pictures

# formats that cameras and the web have and that are not read
# fmt: off
OTHERS = frozenset([
    ".heic", ".heif", ".avif", ".jxl", ".jfif", ".jpe", ".psd", ".svg", ".raw", ".cr2", ".cr3", ".nef", ".arw",
    ".dng", ".orf", ".rw2", ".raf", ".mp4", ".mov",
])
# fmt: on
DEEPEST = 6  # levels of sub-folders
MOST_FOLDERS = 500


@dataclass(frozen=True)
class FolderContents:
    """The pictures to look at, and what is to be said of the folder."""

    listing: Listing
    findings: tuple[Finding, ...]


def look_into(folder: Path, caption_column: str, subfolders: bool) -> FolderContents:
    """List the pictures, with those of sub-folders if wanted. Raises NoDataset."""
    every = list(_below(folder))
    masks = [one for one in every if any(map(is_companion_folder, one.relative_to(folder).parts))]
    below = [one for one in every if one not in masks]
    only_below = False
    try:
        listing = list_pictures(folder, caption_column)
    except NoDataset:
        if not subfolders or not any(_pictures_in(one) for one in below):
            raise
        listing, only_below = Listing((), ()), True
    inside = {one: _pictures_in(one) for one in below}
    found = [*_beside(folder), *_one_name(listing)]
    if count := sum(inside.values()):
        found.insert(0, _sub(folder, count, [one for one in below if inside[one]], only_below))
    found += _masks(folder, masks)
    if subfolders:
        listing = _with_subfolders(folder, listing, [one for one in below if inside[one]], caption_column)
    return FolderContents(listing, tuple(found))


def _with_subfolders(folder: Path, listing: Listing, below: list[Path], column: str) -> Listing:
    pictures, problems = list(listing.pictures), list(listing.problems)
    for one in below:
        try:
            found = list_pictures(one, column)
        except NoDataset:
            continue
        prefix = one.relative_to(folder).as_posix()
        pictures += [_named(picture, prefix) for picture in found.pictures]
        problems += [replace(problem, file=f"{prefix}/{problem.file}") for problem in found.problems]
    return Listing(tuple(pictures), tuple(problems))


def _named(picture: Picture, prefix: str) -> Picture:
    return replace(picture, name=f"{prefix}/{picture.name}")


def _below(folder: Path) -> Iterator[Path]:
    """The visible sub-folders, links not followed: a link could lead in a circle."""
    level, seen = [folder], 0
    for _ in range(DEEPEST):
        following: list[Path] = []
        for one in level:
            following += [Path(entry.path) for entry in _entries(one) if _is_folder(entry)]
        for one in following[: MOST_FOLDERS - seen]:
            yield one
        seen += len(following)
        level = following[:MOST_FOLDERS]


def _is_folder(entry: os.DirEntry[str]) -> bool:
    return not entry.name.startswith(".") and entry.is_dir(follow_symlinks=False)


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        return sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError:
        return []


def _pictures_in(folder: Path) -> int:
    return sum(_is_picture(one) for one in _entries(folder))


def _is_picture(entry: os.DirEntry[str]) -> bool:
    return _ending(entry.name) in ENDINGS and entry.name[:1] != "." and not _leads_nowhere(entry)


def _leads_nowhere(entry: os.DirEntry[str]) -> bool:
    try:
        return not entry.is_file()
    except OSError:  # a link to itself
        return True


def _ending(name: str) -> str:
    return PurePath(name).suffix.lower()


def _masks(folder: Path, below: list[Path]) -> Iterator[Finding]:
    count = sum(_pictures_in(one) for one in below)
    if count:
        names = [one.relative_to(folder).as_posix() for one in below]
        said = f"{plural(count, 'file')} in {_some(names)} left out: masks, depth or poses of other pictures"
        yield Finding(
            "companions", "hint", "", names[:20], said, "rename the folder, if they are pictures to learn from"
        )


def _sub(folder: Path, count: int, below: list[Path], only: bool) -> Finding:
    """It stops a run where all pictures are there."""
    names = [one.relative_to(folder).as_posix() for one in below]
    said = f"{plural(count, 'picture')} in sub-folders, which a run does not search: {_some(names)}"
    if only:
        return Finding(
            "in-subfolder", "block", "", names[:20], said, f"name {_some(names[:1])} itself", acceptable=False
        )
    return Finding("in-subfolder", "hint", "", names[:20], said, "move them up, or choose the sub-folder itself")


def _beside(folder: Path) -> Iterator[Finding]:
    """Hidden pictures, formats that are not read, links."""
    hidden, other, dangling, doubled = [], [], [], []
    targets: dict[str, str] = {}
    for entry in _entries(folder):
        ending = _ending(entry.name)
        if ending in OTHERS:
            other.append(entry.name)
        if ending not in ENDINGS:
            continue
        if entry.name.startswith("._"):
            continue  # litter of file managers, no picture
        if entry.name.startswith("."):
            hidden.append(entry.name)
        elif entry.is_symlink() and _leads_nowhere(entry):
            dangling.append(entry.name)
        elif entry.is_symlink():
            target = os.path.realpath(entry.path)
            if target in targets or Path(target).parent == folder.resolve():
                doubled.append(entry.name)
            targets[target] = entry.name
    if hidden:
        said = f"{plural(len(hidden), 'hidden picture')} not used: {_some(hidden)}"
        yield Finding("hidden-files", "hint", "", hidden[:20], said, "rename them without the dot, if they are meant")
    if other:
        said = f"{plural(len(other), 'file')} of a format that is not read: {_some(other)}"
        yield Finding("other-formats", "hint", "", other[:20], said, "save them as JPEG or PNG")
    if dangling or doubled:
        parts = [f"{_some(dangling)}: a link that leads to no file"] if dangling else []
        parts += [f"{_some(doubled)}: a link to another picture of the set"] if doubled else []
        yield Finding("links", "hint", "", [*dangling, *doubled][:20], "; ".join(parts), "remove the link")


def _one_name(listing: Listing) -> Iterator[Finding]:
    stems: dict[str, list[str]] = defaultdict(list)
    for picture in listing.pictures:
        stems[PurePath(picture.name).stem].append(picture.name)
    for names in stems.values():
        if len(names) > 1:
            said = f"{_some(names)} differ only in their ending and share one caption file"
            yield Finding("same-name", "hint", "", names[:20], said, "rename all but one")


def _some(names: list[str]) -> str:
    shown = ", ".join(safe_text(name, 40) for name in names[:3])
    return shown + (f" and {len(names) - 3} more" if len(names) > 3 else "")
