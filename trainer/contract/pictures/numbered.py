"""Kohya's folders of class pictures: "1_woman" says how often, and what its pictures show."""

from __future__ import annotations

import os
import re
from pathlib import Path

from trainer.contract.pictures.formats import is_picture

NUMBERED = re.compile(r"\d{1,3}_(?P<word>.+)")


def numbered_folders(folder: Path) -> dict[str, str]:
    """Kohya's folders in one that holds no pictures itself, and of each what it shows: {"1_woman": "woman"}."""
    try:
        entries = sorted(os.scandir(folder), key=lambda one: one.name)
    except OSError:
        return {}
    if any(is_picture(Path(one.path)) for one in entries):
        return {}
    named = {one.name: NUMBERED.fullmatch(one.name) for one in entries if one.is_dir(follow_symlinks=False)}
    return {name: " ".join(found["word"].replace("_", " ").split()) for name, found in named.items() if found}
