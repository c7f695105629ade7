"""The last lines of what happened in a run, newest at the bottom."""

from __future__ import annotations

import time
from collections.abc import Iterable

from textual.content import Content
from textual.widget import Widget

from loratui.events.history import Message
from loratui.terminal.glyphs import GLYPHS
from loratui.terminal.text import safe_text

STYLES = {"info": "$muted", "good": "$text-success", "warn": "$text-warning", "bad": "$text-error"}


class EventList(Widget):
    """Shows as many of the last messages as it has rows."""

    DEFAULT_CSS = "EventList { width: 1fr; height: 1fr; }"

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._messages: tuple[Message, ...] = ()

    def show(self, messages: Iterable[Message]) -> None:
        """Show the end of `messages`."""
        self._messages = tuple(messages)
        self.refresh()

    def render(self) -> Content:
        """One line a message, cut at the edge."""
        width, height = self.size.width, self.size.height
        lines = [self._line(message, width) for message in self._messages[-height:]] if height else []
        return Content("\n").join(lines)

    def _line(self, message: Message, width: int) -> Content:
        at = time.strftime("%H:%M:%S", time.localtime(message.t))
        text = safe_text(message.text, limit=max(8, width - 11))
        return Content.assemble((f"{at} ", "$faint"), (f"{GLYPHS[message.tone]} ", STYLES[message.tone]), Content(text))
