"""What lies in a folder instead of pictures, in words: for a person who expected some there."""

from __future__ import annotations

import os
from pathlib import Path

from trainer.contract.pictures.formats import (
    EXTRA,
    OPTIONAL,
    RAW,
    VIDEO,
    can_read,
    first_bytes,
    is_other,
    is_picture,
    kind_of,
    what_is,
)
from trainer.contract.units import plural

# of archives, file servers, notebooks and wastebaskets: what lies in them are copies, thumbnails or rubbish
LITTER = frozenset(
    {"__macosx", "@eadir", "#recycle", "$recycle.bin", "lost+found", "system volume information", "__pycache__"}
)
SHOWN = 3  # names in a sentence
ARCHIVES = frozenset({".zip", ".rar", ".7z", ".tgz", ".gz", ".tar"})


def instead_of_pictures(folder: Path) -> str:
    """Such as "it has 3 .HEIC files (pip install ... to have them read) and 2 sub-folders (a, b: ...)"."""
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError:
        return "it cannot be read"
    visible = [one for one in entries if not one.name.startswith(".")]
    folders = [one.name for one in visible if _is_folder(one) and not is_litter(one.name)]
    parts = _files([Path(one.path) for one in visible if not _is_folder(one)])
    if folders:
        parts.append(_folders(folder, folders))
    if parts:
        return f"it has {' and '.join((', '.join(parts[:-1]), parts[-1]) if len(parts) > 1 else parts)}"
    hidden = len(entries) - len(visible)
    return f"it has only hidden files and folders ({hidden})" if hidden else "it is empty"


def is_litter(name: str) -> bool:
    """Whether a sub-folder of this name was made by a program for itself."""
    return name.casefold() in LITTER


def no_folder_words(path: Path) -> str:
    """What a file is that was named in place of a folder, and what to do."""
    if is_picture(path):
        return "is one picture; name the folder that it lies in"
    what = what_is(first_bytes(path))
    if what.endswith("archive"):
        return f"is {what}, not a folder of pictures; unpack it and name the folder"
    return "is a file, not a folder of pictures"


def remedy_of(path: Path) -> str:
    """How a picture or film that is not read comes to be read; "" for what is neither."""
    ending, kind = path.suffix.lower(), kind_of(first_bytes(path))
    if any(not can_read(name) and (ending in one.endings or kind == name) for name, one in OPTIONAL.items()):
        return f"to have them read: {EXTRA}"
    if ending in VIDEO:
        return "films: save frames of them as pictures"
    if ending in RAW:
        return "develop them to JPEG or PNG"
    return "save them as JPEG or PNG" if is_other(path.name) else ""


def _files(files: list[Path]) -> list[str]:
    """A part of the sentence for each kind of file, the most frequent first."""
    kinds: dict[str, list[Path]] = {}
    for one in files:
        kinds.setdefault(one.suffix.lower(), []).append(one)
    groups = sorted(kinds.values(), key=len, reverse=True)
    rest = sum(map(len, groups[SHOWN:]))
    return [*map(_group, groups[:SHOWN]), *([plural(rest, "other file")] if rest else [])]


def _group(files: list[Path]) -> str:
    first = files[0]
    what = what_is(first_bytes(first))
    if what.endswith("archive") and first.suffix.lower() in ARCHIVES:
        return f"{plural(len(files), what.removeprefix('a '))} ({first.name}: unpack it)"
    said = (
        plural(len(files), f"{first.suffix} file")
        if first.suffix
        else plural(len(files), "file without ending", "files without ending")
    )
    remedy = remedy_of(first)
    return f"{said} ({remedy})" if remedy else said


def _folders(folder: Path, names: list[str]) -> str:
    shown = ", ".join(names[:SHOWN]) + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")
    full = [name for name in names if _has_pictures(folder / name)]
    advice = (
        f"sub-folders are not searched; '{full[0]}' has pictures: name it" if full else "sub-folders are not searched"
    )
    return f"{plural(len(names), 'sub-folder')} ({shown}: {advice})"


def _has_pictures(folder: Path) -> bool:
    try:
        return any(is_picture(Path(one.path)) for one in os.scandir(folder))
    except OSError:
        return False


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False
