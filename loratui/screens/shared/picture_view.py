"""A picture full screen."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import Static

from loratui.screens.shared.steady import SteadyModal
from loratui.widgets.thumbnail import WHITE, Thumbnail


class PictureView(SteadyModal[None]):
    """One picture as large as the terminal allows, with its path for scp."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,enter,q,v", "close", "Close")]

    def __init__(self, path: Path, words: str, background: str = WHITE) -> None:
        """`background` is the colour under transparent parts, as #rrggbb."""
        super().__init__()
        self._path, self._words, self._background = path, words, background

    def compose(self) -> ComposeResult:
        """The picture, and a line of words below it."""
        yield Thumbnail(id="full")
        yield Static(self._words, id="full-words", markup=False)

    def on_mount(self) -> None:
        """Decode once the size is known."""
        self.query_one("#full", Thumbnail).show(self._path, background=self._background)

    def action_close(self) -> None:
        """Back to the screen below."""
        self.dismiss(None)
