"""The small windows over a screen: a question, help, a text to read, a picture full screen, one line to edit."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Button, Input, Static

from loratui.widgets.thumbnail import Thumbnail


class Confirm(ModalScreen[bool]):
    """A question that says what each answer does. Enter takes the button in focus, Escape is no."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "answer(False)", "No"),
        Binding("left,right", "app.focus_next", show=False),
    ]

    def __init__(self, title: str, body: Content | str, yes: str, no: str = "Cancel", careful: bool = False) -> None:
        super().__init__()
        self._title, self._body, self._yes, self._no, self._careful = title, body, yes, no, careful

    def compose(self) -> ComposeResult:
        """Title, text, two buttons; a careful question starts on the harmless one."""
        with Vertical(classes="dialog") as box:
            box.border_title = Content(self._title)
            with VerticalScroll(classes="dialog-body", can_focus=False):
                yield Static(self._body, markup=False)
            with Horizontal(classes="dialog-buttons"):
                yield Button(Content(self._yes), id="yes", variant="primary", compact=True)
                yield Button(Content(self._no), id="no", compact=True)

    def on_mount(self) -> None:
        """Start on the answer that most people mean."""
        self.query_one("#no" if self._careful else "#yes", Button).focus()

    @on(Button.Pressed)
    def _pressed(self, event: Button.Pressed) -> None:
        self.dismiss(event.button.id == "yes")

    def action_answer(self, yes: bool) -> None:
        """Close with an answer."""
        self.dismiss(yes)


class Reader(ModalScreen[None]):
    """A text to read; any of Escape, Enter, q closes it."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,enter,q,f1", "close", "Close")]

    def __init__(self, title: str, body: Content | str) -> None:
        super().__init__()
        self._title, self._body = title, body

    def compose(self) -> ComposeResult:
        """One scrolling text."""
        with Vertical(classes="dialog reader") as box:
            box.border_title = Content(self._title)
            box.border_subtitle = Content("Escape closes")
            with VerticalScroll(classes="dialog-body"):
                yield Static(self._body, markup=False)

    def action_close(self) -> None:
        """Back to the screen below."""
        self.dismiss(None)


KEYS = """

Everywhere
  F2        next               Escape   back, nothing is lost
  Tab       next field         arrows   inside a list
  F1        this help          ctrl+q   leave; the draft is kept"""


class Help(Reader):
    """What a screen is for and what its keys do."""

    def __init__(self, title: str, words: str, keys: str = KEYS) -> None:
        super().__init__(f"Help: {title}", words.strip() + keys)


class PictureView(ModalScreen[None]):
    """One picture as large as the terminal allows, with its path for scp."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,enter,q,v", "close", "Close")]

    def __init__(self, path: Path, words: str) -> None:
        super().__init__()
        self._path, self._words = path, words

    def compose(self) -> ComposeResult:
        """The picture, and a line of words below it."""
        yield Thumbnail(id="full")
        yield Static(self._words, id="full-words", markup=False)

    def on_mount(self) -> None:
        """Decode once the size is known."""
        self.query_one("#full", Thumbnail).show(self._path)

    def action_close(self) -> None:
        """Back to the screen below."""
        self.dismiss(None)


class LineEditor(ModalScreen[str | None]):
    """One line of text. Enter keeps it, Escape leaves everything as it was."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "cancel", "Cancel")]

    def __init__(self, title: str, value: str, words: str) -> None:
        super().__init__()
        self._title, self._value, self._words = title, value, words

    def compose(self) -> ComposeResult:
        """What the line is for, and the line."""
        with Vertical(classes="dialog") as box:
            box.border_title = Content(self._title)
            box.border_subtitle = Content("Enter keeps, Escape cancels")
            yield Static(self._words, markup=False, classes="dialog-words")
            yield Input(self._value, compact=True, select_on_focus=False)

    @on(Input.Submitted)
    def _keep(self, event: Input.Submitted) -> None:
        self.dismiss(event.value)

    def action_cancel(self) -> None:
        """Leave everything as it was."""
        self.dismiss(None)
