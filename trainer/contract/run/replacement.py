"""A folder put in the place of another: a reader, and a start after a kill, find the old one or the new one whole."""

from __future__ import annotations

import errno
import os
import shutil
from contextlib import suppress
from pathlib import Path

from trainer.contract.entries import names_in, opened_folder
from trainer.contract.run.disk import exchange
from trainer.contract.run.rundir import CHECKPOINT, RunDir

# a file system, or a system, that exchanges no names: NFS, some of FUSE, kernels of before 3.15
_CANNOT = (errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.EPERM)


def replace_folder(aside: Path, final: Path, root: Path) -> None:
    """Give the folder `aside` the name `final`, which lies beside it; what was there is removed, or left at `aside`.

    In one step where names can be exchanged, in two elsewhere: after a kill between them `put_back` finds the old
    one. Raises BadEntry or OSError, and then the old one is in its place.
    """
    with opened_folder(final.parent, root) as folder:
        if not _is_there(final.name, folder):
            os.rename(aside.name, final.name, src_dir_fd=folder, dst_dir_fd=folder)
        else:
            with opened_folder(final, root):  # what is none, or a link, is not replaced by one
                pass
            try:
                exchange(aside.name, folder, final.name, folder)
            except OSError as error:
                if error.errno not in _CANNOT:
                    raise
                _in_two_steps(aside.name, final.name, folder)
            else:
                _remove(aside.name, folder)
        os.fsync(folder)


def put_back(final: Path, root: Path) -> None:
    """Finish what a kill between two steps left: nothing is at `final`, and what was there waits beside it.

    For the one who alone writes there. Never raises; no other name is looked at.
    """
    with suppress(OSError), opened_folder(final.parent, root) as folder:
        _put_back(old_name(final.name), final.name, folder)


def put_back_checkpoints(run: RunDir) -> None:
    """The same for every checkpoint of a run, those that an older version left too. For who holds the run's lock."""
    with suppress(OSError), opened_folder(run.checkpoints, run.path) as folder:
        for name, kind in names_in(run.checkpoints, run.path):
            if kind == "folder" and (found := CHECKPOINT.fullmatch(name)) and found["aside"]:
                _put_back(name, found["aside"], folder)


def old_name(name: str) -> str:
    """What the folder `name` is called for the moment in which it has stepped aside."""
    return f".loratui-{name}.old"


def _put_back(old: str, final: str, folder: int) -> None:
    if not _is_there(old, folder):
        return
    if _is_there(final, folder):
        _remove(old, folder)
    else:
        os.rename(old, final, src_dir_fd=folder, dst_dir_fd=folder)


def _in_two_steps(aside: str, final: str, folder: int) -> None:
    old = old_name(final)
    _remove(old, folder)
    os.rename(final, old, src_dir_fd=folder, dst_dir_fd=folder)
    try:
        os.rename(aside, final, src_dir_fd=folder, dst_dir_fd=folder)
    except OSError:
        os.rename(old, final, src_dir_fd=folder, dst_dir_fd=folder)
        raise
    _remove(old, folder)


def _is_there(name: str, folder: int) -> bool:
    return os.access(name, os.F_OK, dir_fd=folder, follow_symlinks=False)


def _remove(name: str, folder: int) -> None:
    with suppress(OSError):
        os.unlink(name, dir_fd=folder)
    shutil.rmtree(name, ignore_errors=True, dir_fd=folder)
