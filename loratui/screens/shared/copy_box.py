"""A text for elsewhere: copied through the terminal, and shown alone from the first column for the mouse to select."""

from __future__ import annotations

from typing import ClassVar

from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.widgets import Static

from loratui.screens.shared.steady import SteadyModal

WORDS = (
    "Copied, if your terminal lets programs copy (OSC 52). If not: select it with\n"
    "the mouse, in most terminals with Shift held. Escape closes."
)


class CopyBox(SteadyModal[None]):
    """The text without a frame, so that a selection holds nothing else."""

    CSS = """
    CopyBox { background: $background; align: left top; }
    CopyBox #copy-words { height: 2; color: $muted; }
    CopyBox #copy-scroll, CopyBox #copy-scroll:focus { height: 1fr; margin-top: 1; border: none; }
    CopyBox #copy-text { width: 1fr; height: auto; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,enter,q,y", "close", "Close")]

    def __init__(self, text: str) -> None:
        super().__init__()
        self._text = text

    def compose(self) -> ComposeResult:
        """Two lines of words, then the text."""
        yield Static(WORDS, id="copy-words", markup=False)
        with VerticalScroll(id="copy-scroll"):
            yield Static(self._text, id="copy-text", markup=False)

    def action_close(self) -> None:
        """Back to the screen below."""
        self.dismiss(None)


def copy(app: App[object], text: str) -> None:
    """Copy `text`, which must be safe to show, and show it."""
    app.copy_to_clipboard(text)
    app.push_screen(CopyBox(text))
