"""The frame of a small window: its title stands in the border where it has room there, else wrapped inside."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Static

BESIDE = 6  # cells of a border's line beside a title: corners, a dash and a space each


class Dialog(Vertical):
    """Nothing of the title is cut, as wide as the terminal may be."""

    def __init__(self, title: str, ends: str = "", classes: str = "") -> None:
        """`ends`: the keys that close it, in the lower border."""
        super().__init__(classes=f"dialog {classes}")
        self._said = Content(title)
        if ends:
            self.border_subtitle = Content(ends)

    def compose(self) -> ComposeResult:
        """The title, above what is in the window; not there while the border has it."""
        yield Static(self._said, classes="dialog-title", markup=False)

    def on_mount(self) -> None:
        """What was given as its content comes before what it composes."""
        self.move_child(self.query_one(".dialog-title"), before=0)

    def on_resize(self) -> None:
        """Where the title stands now."""
        fits = self._said.cell_length <= self.outer_size.width - BESIDE
        self.border_title = self._said if fits else None
        self.query_one(".dialog-title").display = not fits
        self.set_class(not fits, "-titled")
