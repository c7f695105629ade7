"""The little that loratui remembers of a person's taste, apart from any run: light or dark."""

from __future__ import annotations

import json
import os
from typing import Literal

from loratui.settings.drafts.store import state_dir
from trainer.contract.documents.files import read_json
from trainer.contract.entries import make_private, write_swept

Shade = Literal["dark", "light"]
FILE = "preferences.json"
LIGHT_BACKGROUNDS = frozenset({"7", "15"})  # white and bright white, as COLORFGBG counts


def shade() -> Shade:
    """What was chosen last; before that what the terminal says of its background (COLORFGBG), else dark."""
    chosen = (read_json(state_dir() / FILE, dict).value or {}).get("shade")
    if chosen in ("dark", "light"):
        return "dark" if chosen == "dark" else "light"
    return "light" if os.environ.get("COLORFGBG", "").rpartition(";")[2] in LIGHT_BACKGROUNDS else "dark"


def keep_shade(chosen: Shade) -> None:
    """Remember it; a folder that cannot be written is no reason to stop."""
    try:
        make_private(state_dir())
        write_swept(state_dir() / FILE, json.dumps({"shade": chosen}))
    except OSError:
        return
