"""Files that are written and proved are put where they are used: all of them in one step, or none."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

from trainer.contract.entries import make_private, remove, rename
from trainer.contract.run.exports import FILES
from trainer.contract.run.replacement import replace_folder
from trainer.contract.run.rundir import RunDir

_HELD = (errno.EBUSY, errno.EXDEV, errno.EACCES, errno.EPERM)  # a folder that may not be renamed, such as a mount


def deliver(aside: Path, folder: Path, run: RunDir, root: Path) -> list[str]:
    """Put all files of `aside` into `folder`; returns their paths, relative to the run if inside.

    The run's own export, and a folder that holds nothing else, are replaced as a whole; what a person has put into the
    export goes along. In any other folder each file is replaced for itself. `root`: no name from there down may be a
    link. Raises BadEntry, OSError.
    """
    files = sorted((one for one in aside.rglob("*") if one.is_file()), key=lambda one: (-len(one.parts), one))
    names = [one.relative_to(aside) for one in files]
    former = [Path(one.formerly) for one in FILES if one.formerly and Path(one.formerly) not in names]
    ours = {Path(), *names, *former, *(above for one in names for above in one.parents)}
    others = (one for one in _entries(folder) if one not in ours)
    own = folder == run.export
    if (not own and next(others, None) is not None) or not _replaced(aside, folder, root, list(others)):
        make_private(folder, root)
        for path, name in zip(files, names, strict=True):
            make_private((folder / name).parent, root)
            rename(path, folder / name, root)
        for name in former:
            remove(folder / name, root)
    inside = folder.is_relative_to(run.path)
    return [str((folder / name).relative_to(run.path) if inside else folder / name) for name in names]


def _replaced(aside: Path, folder: Path, root: Path, others: list[Path]) -> bool:
    """Whether `aside`, with the `others`, could take the folder's place in one step."""
    for name in others:
        target = aside / name
        if (folder / name).is_dir() and not (folder / name).is_symlink():
            make_private(target, aside)
            continue
        make_private(target.parent, aside)
        try:
            os.link(folder / name, target, follow_symlinks=False)
        except OSError:  # a file system without hard links
            shutil.copy2(folder / name, target, follow_symlinks=False)
    if folder.is_dir():
        aside.chmod(folder.stat().st_mode & 0o7777)
    try:
        replace_folder(aside, folder, root)
    except OSError as error:
        if error.errno not in _HELD:
            raise
        return False
    return True


def _entries(folder: Path) -> Iterator[Path]:
    """All that lies in a folder, relative to it."""
    found: Iterable[Path] = folder.rglob("*") if folder.is_dir() else ()
    return (one.relative_to(folder) for one in found)
