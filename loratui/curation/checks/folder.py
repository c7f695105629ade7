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
from trainer.contract.pictures.contents import ARCHIVES, is_litter, remedy_of
from trainer.contract.pictures.folder import Listing, NoDataset, Picture, count_pictures, list_pictures
from trainer.contract.pictures.formats import NEVER, endings
from trainer.contract.pictures.inside import LEAVES, why_not_inside

MUCH = 0.2  # of a folder: so much that cannot be read is no side matter
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
        if not subfolders or not any(count_pictures(one) for one in below):
            raise
        listing, only_below = Listing((), ()), True
    inside = {one: count_pictures(one) for one in below}
    found = [*_beside(folder, listing), *_left_out(folder, listing), *_archives(folder), *_one_name(listing)]
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
    """The visible sub-folders but those of programs, links not followed: a link could lead in a circle."""
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
    litter = entry.name.startswith(".") or is_litter(entry.name)
    return not litter and entry.is_dir(follow_symlinks=False)


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        return sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError:
        return []


def _leads_nowhere(entry: os.DirEntry[str]) -> bool:
    try:
        return not entry.is_file()
    except OSError:  # a link to itself
        return True


def _ending(name: str) -> str:
    return PurePath(name).suffix.lower()


def _masks(folder: Path, below: list[Path]) -> Iterator[Finding]:
    count = sum(count_pictures(one) for one in below)
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


def _beside(folder: Path, listing: Listing) -> Iterator[Finding]:
    """Hidden pictures, and links."""
    hidden, dangling, doubled = [], [], []
    outside = [one for one in listing.problems if one.code == "caption-outside"]
    told = {name for one in outside for name in (one.file, *(one.value if isinstance(one.value, tuple) else ()))}
    targets: dict[str, str] = {}
    leaving = [entry.name for entry in _entries(folder) if entry.name not in told and _leaves(entry)]
    for entry in _entries(folder):
        if _ending(entry.name) not in endings():
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
    if names := [*dangling, *doubled, *leaving]:
        parts = [f"{_some(dangling)}: a link that leads to no file"] if dangling else []
        parts += [f"{_some(doubled)}: a link to another picture of the set"] if doubled else []
        parts += [f"{_some(leaving)}: a link that leads out of the folder; it is not read"] if leaving else []
        yield Finding("links", "hint", "", names[:20], "; ".join(parts), "remove the link")


def _archives(folder: Path) -> Iterator[Finding]:
    """What may hold more pictures, and is not unpacked by the program."""
    names = [
        one.name
        for one in _entries(folder)
        if not one.name.startswith(".") and _ending(one.name) in ARCHIVES and not _leads_nowhere(one)
    ]
    if names:
        said = f"{plural(len(names), 'archive')} beside the pictures, which nobody looked into: {_some(names)}"
        yield Finding("archives", "hint", "", names[:20], said, "unpack it, if it holds pictures that are meant")


def _leaves(entry: os.DirEntry[str]) -> bool:
    """Whether a link leads out of the folder; each of pictures is told with the picture."""
    return entry.is_symlink() and _ending(entry.name) not in endings() and why_not_inside(Path(entry.path)) == LEAVES


def _left_out(folder: Path, listing: Listing) -> Iterator[Finding]:
    """Pictures and films that are not read, with what has them read.

    Nothing is lost where a picture of the same name is read: cameras write raw beside JPEG, phones a film.
    """
    read = {PurePath(one.name).stem.casefold() for one in listing.pictures}
    others = [one for one in _entries(folder) if _may_be_other(one) and PurePath(one.name).stem.casefold() not in read]
    found = {entry.name: remedy for entry in others if (remedy := remedy_of(Path(entry.path)))}
    names = list(found)
    if not names:
        return
    whole = len(names) + len(listing.pictures)
    much = len(names) >= MUCH * whole
    of = f"{len(names)} of {whole} are left out, in" if much else f"{plural(len(names), 'file')} of"
    said = f"{of} a format that is not read: {_some(names)}"
    remedies = "; ".join(dict.fromkeys(found[name] for name in names))
    yield Finding("other-formats", "warn" if much else "hint", "", names[:20], said, remedies)


def _may_be_other(entry: os.DirEntry[str]) -> bool:
    ending = _ending(entry.name)
    return not entry.name.startswith(".") and ending not in NEVER | endings() and not _leads_nowhere(entry)


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
