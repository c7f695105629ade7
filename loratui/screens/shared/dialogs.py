"""The small windows over a screen: a question, help, a text to read, a picture full screen, one line to edit."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.widgets import Button, Input, OptionList, Static
from textual.widgets.option_list import Option

from loratui.screens.shared.steady import SteadyModal
from loratui.widgets.thumbnail import WHITE, Thumbnail


class Confirm(SteadyModal[bool]):
    """A question that says what each answer does. Enter takes the button in focus, Escape is no."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "answer(False)", "No"),
        Binding("left,right", "app.focus_next", show=False),
        Binding("up,k", "scroll(-1)", show=False),
        Binding("down,j", "scroll(1)", show=False),
        Binding("pageup", "scroll(-10)", show=False),
        Binding("pagedown", "scroll(10)", show=False),
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

    def action_scroll(self, lines: int) -> None:
        """A long text is read before it is answered."""
        self.query_one(".dialog-body").scroll_relative(y=lines, animate=False)


class Chooser(SteadyModal[str | None]):
    """A list to take one line from: Enter takes it, Escape leaves everything as it was."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "cancel", "Cancel")]

    def __init__(self, title: str, lines: Sequence[tuple[str, Content]], at: str) -> None:
        """`lines` are pairs of what is answered and what is shown; `at` is the answer to start on."""
        super().__init__()
        self._title, self._lines, self._at = title, lines, at

    def compose(self) -> ComposeResult:
        """The list."""
        with Vertical(classes="dialog") as box:
            box.border_title = Content(self._title)
            box.border_subtitle = Content("Enter takes, Escape cancels")
            yield OptionList(*(Option(shown) for _, shown in self._lines), id="choices", compact=True)

    def on_mount(self) -> None:
        """Start on the line that holds now."""
        answers = [answer for answer, _ in self._lines]
        choices = self.query_one("#choices", OptionList)
        choices.highlighted = answers.index(self._at) if self._at in answers else 0
        choices.focus()

    @on(OptionList.OptionSelected)
    def _taken(self, event: OptionList.OptionSelected) -> None:
        self.dismiss(self._lines[event.option_index][0])

    def action_cancel(self) -> None:
        """Leave everything as it was."""
        self.dismiss(None)


class Reader(SteadyModal[None]):
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
  F1        this help          ctrl+q   leave; the draft is kept
  F6        light or dark"""


class Help(Reader):
    """What a screen is for and what its keys do."""

    def __init__(self, title: str, words: str, keys: str = KEYS) -> None:
        super().__init__(f"Help: {title}", words.strip() + keys)


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


class Form(SteadyModal[dict[str, str] | None]):
    """A few short fields. Enter in the last one answers, Escape leaves everything as it was."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "cancel", "Cancel")]

    def __init__(self, title: str, words: str, fields: Sequence[tuple[str, str, str]]) -> None:
        """`fields`: label (also the key of the answer), value, what an empty field means."""
        super().__init__()
        self._title, self._words, self._fields = title, words, fields

    def compose(self) -> ComposeResult:
        """What it is for, and the fields."""
        with Vertical(classes="dialog") as box:
            box.border_title = Content(self._title)
            box.border_subtitle = Content("Enter goes on, Escape cancels")
            yield Static(self._words, markup=False, classes="dialog-words")
            for label, value, empty in self._fields:
                with Horizontal(classes="row"):
                    yield Static(label, classes="label", markup=False)
                    yield Input(value, placeholder=empty, compact=True, select_on_focus=False)

    @on(Input.Submitted)
    def _entered(self, event: Input.Submitted) -> None:
        inputs = list(self.query(Input))
        if event.input is not inputs[-1]:
            self.focus_next()
            return
        self.dismiss({label: one.value.strip() for (label, _, _), one in zip(self._fields, inputs, strict=True)})

    def action_cancel(self) -> None:
        """Leave everything as it was."""
        self.dismiss(None)


class LineEditor(SteadyModal[str | None]):
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
