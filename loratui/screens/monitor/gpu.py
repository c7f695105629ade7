"""Shows how busy and warm the run's GPU is; asked in a thread, for a driver may take its time."""

from __future__ import annotations

import socket
import time
from functools import partial
from typing import Any

from textual.content import Content
from textual.screen import Screen

from loratui.runs.gpu_readings import readings
from loratui.terminal.text import safe_text
from trainer.contract.run.lock import LockHolder

EVERY = 2.0  # seconds between two looks


class GpuWatch:
    """Writes into the border of a widget; nothing where no driver tells anything, or the run is on another machine."""

    def __init__(self, screen: Screen[Any], where: str) -> None:
        """`where` is the selector of the widget."""
        self._screen, self._where = screen, where
        self._next = 0.0

    def look(self, holder: LockHolder | None) -> None:
        """Ask again if it is time; without a trainer there is nothing to ask about."""
        if holder is None:
            self._show("")
        elif holder.host == socket.gethostname() and time.monotonic() >= self._next:
            self._next = time.monotonic() + EVERY
            self._screen.run_worker(partial(self._ask, holder.pid), thread=True, exclusive=True, group="gpu")

    def _ask(self, pid: int) -> None:
        words = "   ".join(one.words for one in readings(pid) if one.words)
        self._screen.app.call_from_thread(self._show, words)

    def _show(self, words: str) -> None:
        for widget in self._screen.query(self._where):
            width = max(8, widget.size.width - 4)
            widget.border_subtitle = Content(safe_text(words, width))
