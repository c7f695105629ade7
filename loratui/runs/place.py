"""Whether a folder can hold runs: judged once, in the same words for the plan, the commands and the screens."""

from __future__ import annotations

import os
from pathlib import Path

from loratui.terminal.text import show_path
from trainer.contract.paths import can_see, is_folder


def existing(path: Path) -> Path:
    """The nearest of `path` and the folders above it that is there."""
    path = path.absolute()
    return next((one for one in (path, *path.parents) if can_see(one)), Path("/"))


def making_trouble(runs: Path) -> str:
    """Why no run's folder can be made in `runs`, after its name; empty where one can."""
    return _trouble(existing(runs), os.W_OK | os.X_OK, "nothing may be written there")


def runs_trouble(runs: Path, what: str = "runs") -> str:
    """Why there can be no runs in `runs` to look at, as a sentence; empty where there can, or nothing stands there.

    `what`: that lies there, if not runs.
    """
    there = existing(runs)
    trouble = _trouble(there, os.R_OK | os.X_OK, "you may not look into it")
    advice = "rename it or move it away" if trouble and not is_folder(there) else "ask its owner"
    return (
        f"there can be no {what} in {show_path(there)}: {trouble}; {advice}, or go to another folder" if trouble else ""
    )


def _trouble(there: Path, wanted: int, shut: str) -> str:
    if not is_folder(there):
        return "it is a file"
    return "" if os.access(there, wanted) else shut
