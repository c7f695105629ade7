"""The glyphs: of how grave something is, on every line and screen; of what happens at a step, on plan and charts."""

from __future__ import annotations

from typing import Literal

Tone = Literal["info", "good", "warn", "bad"]

MARKS = {"pivot": "◆", "checkpoint": "▲", "sample": "○"}  # the rarest first: it wins a shared place
GLYPHS: dict[str, str] = {"info": "·", "good": "✓", "warn": "!", "bad": "✗"}  # by tone
NAMES: dict[str, str] = {"warn": "warning", "bad": "error"}


def marked(tone: Literal["warn", "bad"], words: str) -> str:
    """A line of its own with its mark and its name: "! warning: ...", "✗ error: ..."."""
    return f"{GLYPHS[tone]} {NAMES[tone]}: {words}"


def glyph_of(tone: str) -> str:
    """The mark before words of a `tone`, with a space; nothing for words without one."""
    return f"{GLYPHS[tone]} " if tone in GLYPHS else ""
