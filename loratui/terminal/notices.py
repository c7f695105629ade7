"""What a terminal is told beside its cells: its title, and that something has ended: bell and notice."""

from __future__ import annotations

import os

from loratui.terminal.text import safe_text

KEEP_TITLE, GIVE_TITLE_BACK = "\x1b[22;0t", "\x1b[23;0t"
SILENT = ("", "dumb", "linux")  # terminals that have no titles, and may print what they do not know


def title(words: str) -> str:
    """Sets the title of the window or the tab."""
    return f"\x1b]0;{safe_text(words, 100)}\x07"


def notice(words: str) -> str:
    """Rings, and has the desktop say it where the terminal can: OSC 9 (iTerm2, kitty), OSC 777 (urxvt, foot)."""
    said = safe_text(words, 200).replace(";", ",")  # which parts the fields of a 777
    return f"\x07\x1b]9;{said}\x07\x1b]777;notify;loratui;{said}\x07"


def end_words(name: str, state: str, step: int, steps: int) -> str:
    """What a notice says of a run that has ended."""
    return f"{name}: {state}, step {step} of {steps}"


def hears() -> bool:
    """Whether this terminal takes them."""
    return os.environ.get("TERM", "") not in SILENT
