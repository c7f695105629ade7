"""Whether a run's folder is still where the run began: it may be moved or removed while it trains."""

from __future__ import annotations

import os
import stat
from pathlib import Path


class FolderGone(RuntimeError):
    """The run's folder is not at its place any more: a sentence; `now` is where it lies, None if it was removed.

    `saved`: the step that was saved there since.
    """

    def __init__(self, now: Path | None, saved: int | None = None) -> None:
        where = "removed" if now is None else f"moved to '{now}'"
        there = f"; step {saved} is saved there" if saved else ""
        super().__init__(f"the run's folder was {where} while it trained{there}")
        self.now = now


class Whereabouts:
    """Keeps a run's folder open from its start, so that it is known again whatever its name is."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)

    def check(self) -> None:
        """Raise FolderGone unless the folder that was opened is still the one of that name."""
        mine = os.fstat(self._descriptor)
        try:
            there = self._folder.stat()
        except OSError:
            raise FolderGone(self._now()) from None
        if (there.st_dev, there.st_ino) != (mine.st_dev, mine.st_ino):
            raise FolderGone(self._now())

    def _now(self) -> Path | None:
        """Where the folder lies, as the kernel knows it; None if it was removed, or that cannot be found out."""
        if os.fstat(self._descriptor).st_nlink == 0:
            return None
        try:
            now = Path(f"/proc/self/fd/{self._descriptor}").readlink()
            there = now.stat()
        except OSError:
            return None
        mine = os.fstat(self._descriptor)
        same = stat.S_ISDIR(there.st_mode) and (there.st_dev, there.st_ino) == (mine.st_dev, mine.st_ino)
        return now if same else None

    def close(self) -> None:
        """Let go of the folder."""
        os.close(self._descriptor)
