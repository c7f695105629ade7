"""Base models that the person gave by hand, newest first: for the next time that one is chosen."""

from __future__ import annotations

import json
from pathlib import Path

from loratui.settings.draft import state_dir
from trainer.contract.entries import make_private, write_atomic

MOST = 8


def recent_bases() -> list[str]:
    """What was typed before, newest first; files and folders that are gone are left out."""
    try:
        raw = json.loads(_file().read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return []
    found = [one for one in raw if isinstance(one, str)] if isinstance(raw, list) else []
    return [one for one in found if not one.startswith(("/", "~", ".")) or Path(one).expanduser().exists()][:MOST]


def remember_base(value: str) -> None:
    """Put `value` first. A disk that does not take it is no reason to stop."""
    kept = [value, *(one for one in recent_bases() if one != value)]
    try:
        make_private(_file().parent)
        write_atomic(_file(), json.dumps(kept[:MOST]))
    except OSError:
        return


def _file() -> Path:
    return state_dir() / "bases.json"
