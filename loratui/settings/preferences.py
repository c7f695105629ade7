"""The little that loratui remembers of a person's taste, apart from any run: light or dark."""

from __future__ import annotations

import json
import os
from typing import Literal

from loratui.settings.draft import state_dir
from trainer.contract.entries import make_private, write_atomic

Shade = Literal["dark", "light"]
FILE = "preferences.json"
LIGHT_BACKGROUNDS = frozenset({"7", "15"})  # white and bright white, as COLORFGBG counts


def shade() -> Shade:
    """What was chosen last; before that what the terminal says of its background (COLORFGBG), else dark."""
    try:
        chosen = json.loads((state_dir() / FILE).read_text(encoding="utf-8"))["shade"]
    except (OSError, ValueError, KeyError, TypeError):
        chosen = None
    if chosen in ("dark", "light"):
        return "dark" if chosen == "dark" else "light"
    return "light" if os.environ.get("COLORFGBG", "").rpartition(";")[2] in LIGHT_BACKGROUNDS else "dark"


def keep_shade(chosen: Shade) -> None:
    """Remember it; a folder that cannot be written is no reason to stop."""
    try:
        make_private(state_dir())
        write_atomic(state_dir() / FILE, json.dumps({"shade": chosen}))
    except OSError:
        return
