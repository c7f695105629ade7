"""The small windows over a screen: a list to choose from, help, a text to read."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, ClassVar

from textual import on
from textual.actions import parse
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.screen import Screen
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from loratui.screens.shared.steady import SteadyModal
from loratui.terminal.layout import laid_out, without_keys
from loratui.widgets.dialog import Dialog


class Chooser(SteadyModal[str | None]):
    """A list to take one line from: Enter takes it, Escape leaves everything as it was."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "cancel", "Cancel")]

    def __init__(self, title: str, lines: Sequence[tuple[str, Content]], at: str, note: str = "") -> None:
        """`lines`: pairs of what is answered and what is shown; `at`: the answer to start on; `note` stands above."""
        super().__init__()
        self._note = note
        self._title, self._lines, self._at = title, lines, at

    def compose(self) -> ComposeResult:
        """The list."""
        with Dialog(self._title, "Enter chooses, Escape cancels"):
            if self._note:
                yield Static(self._note, markup=False, classes="dialog-words")
            yield OptionList(*(Option(shown) for _, shown in self._lines), id="choices", compact=True)

    def on_mount(self) -> None:
        """Start on the line that holds now."""
        answers = [answer for answer, _ in self._lines]
        choices = self.query_one("#choices", OptionList)
        choices.highlighted = answers.index(self._at) if self._at in answers else 0
        choices.focus()
        self.resized()

    def resized(self) -> None:
        """The line is in sight, though a title above the list takes room from it."""
        choices = self.query_one("#choices", OptionList)
        self.call_after_refresh(lambda: self.call_after_refresh(choices.scroll_to_highlight))

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
        with Dialog(self._title, "Escape closes", classes="reader"), VerticalScroll(classes="dialog-body"):
            yield Static(self._body, markup=False)

    def action_close(self) -> None:
        """Back to the screen below."""
        self.dismiss(None)


WIDEST, AROUND = 90, 9  # cells of a reader's window, and of its border, padding and scroll bar (app.tcss)
PALETTE = "\n\nCtrl+P lists all that can be done here by name."
KEYS = """

Everywhere
  F2        next               Escape   back, nothing is lost
  Tab       next field         arrows   inside a list
  F1        this help          ctrl+q   leave; the draft is kept
  F6        light or dark"""


ARROWS = {"left": "←", "right": "→", "up": "↑", "down": "↓"}  # as a help names them


class Help(Reader):
    """What a screen is for and what its keys do."""

    def __init__(self, title: str, words: str, keys: str = KEYS) -> None:
        self._help = words.strip() + keys + PALETTE
        super().__init__(f"Help: {title}", "")

    def compose(self) -> ComposeResult:
        """The text, laid out for the window."""
        self._body = laid_out(self._help, self._room)
        yield from super().compose()

    def resized(self) -> None:
        """Lay the text out for the room that there is now."""
        self.query_one(".dialog-body Static", Static).update(laid_out(self._help, self._room))

    @property
    def _room(self) -> int:
        return min(WIDEST, self.app.size.width) - AROUND


def keys_of(screen: Screen[Any], actions: Collection[str]) -> frozenset[str]:
    """The keys of a screen that stand for nothing but these actions, as its help names them."""
    bound = {key: {parse(one.action)[1] for one in ones} for key, ones in screen._bindings.key_to_bindings.items()}
    return frozenset(ARROWS.get(key, key) for key, meant in bound.items() if meant <= set(actions))


def show_help(screen: Screen[Any], title: str, words: str, unused: Collection[str] = ()) -> None:
    """The help of a screen, without the keys of actions that can never do anything there: those `unused`."""
    screen.app.push_screen(Help(title, without_keys(words, keys_of(screen, unused)), keys=""))
