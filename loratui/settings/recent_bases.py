"""Base models that the person gave by hand, newest first: for the next time that one is chosen."""

from __future__ import annotations

import json
from pathlib import Path

from loratui.settings.drafts.store import state_dir
from trainer.contract.documents.files import read_json
from trainer.contract.entries import make_private, write_swept
from trainer.contract.paths import can_see, expanded

MOST = 8


def recent_bases() -> list[str]:
    """What was typed before, newest first; files and folders that are gone are left out."""
    found = [one for one in read_json(_file(), list).value or [] if isinstance(one, str)]
    return [one for one in found if not one.startswith(("/", "~", ".")) or can_see(expanded(one))][:MOST]


def remember_base(value: str) -> None:
    """Put `value` first. A disk that does not take it is no reason to stop."""
    kept = [value, *(one for one in recent_bases() if one != value)]
    try:
        make_private(_file().parent)
        write_swept(_file(), json.dumps(kept[:MOST]))
    except OSError:
        return


def _file() -> Path:
    return state_dir() / "bases.json"
