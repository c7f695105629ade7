"""How far a long job is, as one line on stderr that each new word replaces; quiet where nobody looks."""

from __future__ import annotations

import shutil
import sys
import time
from typing import TextIO

from loratui.terminal.text import safe_text, speakable

PATIENCE = 1.0  # seconds before anything is said
PACE = 0.2  # seconds between two words on a terminal
SLOW_PACE = 10.0  # seconds between two lines in a log


class Ticker:
    """Use as a context: on leaving, the line is wiped."""

    def __init__(self, out: TextIO | None = None, log: bool = True) -> None:
        """`log` False: says nothing at all unless stderr is a terminal."""
        self._out = out or sys.stderr
        self._terminal = self._out.isatty()
        self._quiet = not self._terminal and not log
        self._next = time.monotonic() + (PATIENCE if self._terminal else SLOW_PACE)
        self._shown = False

    def __enter__(self) -> Ticker:
        return self

    def __exit__(self, *_: object) -> None:
        self.wipe()

    def counted(self, verb: str, done: int, total: int, name: str = "") -> None:
        """ "looking at 3 of 30: a.jpg"."""
        self.say(f"{verb} {done} of {total}" + (f": {safe_text(name)}" if name else ""))

    def say(self, words: str) -> None:
        """Show `words`, unless the last ones are too fresh."""
        now = time.monotonic()
        if self._quiet or now < self._next:
            return
        self._next = now + (PACE if self._terminal else SLOW_PACE)
        if not self._terminal:
            self._put(f"{safe_text(words)} ...\n")
            return
        width = shutil.get_terminal_size().columns - 1
        self._put(f"\r{safe_text(words, width):<{width}}")
        self._shown = True

    def wipe(self) -> None:
        """Leave a clean line."""
        if self._shown:
            self._put("\r" + " " * (shutil.get_terminal_size().columns - 1) + "\r")
            self._shown = False

    def _put(self, text: str) -> None:
        self._out.write(speakable(text, self._out.encoding))
        self._out.flush()
