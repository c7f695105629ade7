"""Paths as people and their files write them: to look whether something is there never raises.

Python's own questions raise for a name that is too long and for a folder that is shut, and `expanduser` for a user
whom nobody knows. What cannot be looked at is not there, and is said to be so by the one who asked.
"""

from __future__ import annotations

import os
from pathlib import Path


def expanded(text: str | Path) -> Path:
    """`text` with its ~ resolved; where there is no such user, as it is written."""
    path = Path(text)
    try:
        return path.expanduser()
    except RuntimeError:
        return path


def can_see(path: Path) -> bool:
    """Whether something is there, as far as this user may look: a closed folder hides what it has."""
    return os.path.exists(path)  # noqa: PTH110 - unlike Path.exists it never raises


def is_folder(path: Path) -> bool:
    """Whether a folder stands there, or a link to one."""
    return os.path.isdir(path)  # noqa: PTH112


def is_file(path: Path) -> bool:
    """Whether a file stands there, or a link to one."""
    return os.path.isfile(path)  # noqa: PTH113
