"""A question over a screen: each answer a button and a letter, the painted button is the one that Enter takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, TypeVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.content import Content
from textual.screen import ScreenResultType
from textual.widgets import Button, Static

from loratui.screens.shared.steady import SteadyModal
from loratui.widgets.dialog import Dialog

Given = TypeVar("Given")


@dataclass(frozen=True)
class Answer(Generic[Given]):
    """One answer: its letter, its words, what the asker gets; `destroys` paints it red."""

    key: str
    words: str
    gives: Given
    destroys: bool = False


def _label(one: Answer[Any]) -> Content:
    return Content.assemble((one.key, "bold"), f" {one.words}")


class Question(SteadyModal[ScreenResultType]):
    """Says what each answer does. A letter answers, Enter takes the painted button, Escape gives `escape`."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "escape", "Cancel"),
        Binding("left", "app.focus_previous", show=False),
        Binding("right", "app.focus_next", show=False),
        Binding("up,k", "scroll(-1)", show=False),
        Binding("down,j", "scroll(1)", show=False),
        Binding("pageup", "scroll(-10)", show=False),
        Binding("pagedown", "scroll(10)", show=False),
    ]

    def __init__(
        self,
        title: str,
        body: Content | str,
        answers: Sequence[Answer[ScreenResultType]],
        escape: ScreenResultType,
        start: int = 0,
    ) -> None:
        """`escape` must be what changes nothing; `start` is the place of the answer that is painted first."""
        super().__init__()
        self._title, self._body, self._answers, self._escape, self._start = title, body, answers, escape, start
        for place, one in enumerate(answers):
            self._bindings.bind(one.key, f"answer({place})", one.words)

    def compose(self) -> ComposeResult:
        """Title, text, the buttons."""
        with Dialog(self._title):
            with VerticalScroll(classes="dialog-body", can_focus=False):
                yield Static(self._body, markup=False)
            with Horizontal(classes="dialog-buttons"):
                for place, one in enumerate(self._answers):
                    yield Button(
                        _label(one), id=f"answer-{place}", classes="-destroys" if one.destroys else "", compact=True
                    )

    def on_mount(self) -> None:
        """Paint the first answer: the harmless one where it matters."""
        self.query_one(f"#answer-{self._start}", Button).focus()
        self.call_after_refresh(self.resized)

    def resized(self) -> None:
        """A text that has no room says how the rest of it is read."""
        more = self.query_one(".dialog-body").max_scroll_y > 0
        self.query_one(".dialog").border_subtitle = Content("↑ ↓ the rest of the text") if more else None

    def say_anew(self, other: Question[ScreenResultType]) -> None:
        """The same question by what holds now: the text and the words of the answers of `other`."""
        if self._body == other._body:
            return
        self._body, self._answers = other._body, other._answers
        self.query_one(".dialog-body > Static", Static).update(self._body)
        for place, one in enumerate(self._answers):
            self.query_one(f"#answer-{place}", Button).label = _label(one)
        self.call_after_refresh(self.resized)

    @on(Button.Pressed)
    def _pressed(self, event: Button.Pressed) -> None:
        self.action_answer(int((event.button.id or "").removeprefix("answer-")))

    def action_answer(self, place: int) -> None:
        """Give this answer."""
        self.dismiss(self._answers[place].gives)

    def action_escape(self) -> None:
        """Close without a change."""
        self.dismiss(self._escape)

    def action_scroll(self, lines: int) -> None:
        """A long text is read before it is answered."""
        self.query_one(".dialog-body").scroll_relative(y=lines, animate=False)


class Confirm(Question[bool | None]):
    """Yes or no, by y and n; Escape is neither: None. Where a no goes on, that leaves one where one was."""

    def __init__(
        self,
        title: str,
        body: Content | str,
        yes: str,
        no: str = "Cancel",
        careful: bool = False,
        *,
        destroys: bool = False,
    ) -> None:
        """A careful question starts on no; so does one whose yes `destroys`, which is red besides."""
        answers = (Answer[bool | None]("y", yes, True, destroys), Answer[bool | None]("n", no, False))
        super().__init__(title, body, answers, None, start=int(careful or destroys))


def close_unanswered(window: SteadyModal[Any] | None) -> bool:
    """Close a question whose answer can do nothing any more, if it is still asked; whether it was."""
    if window is None or not window.is_current:
        return False
    window.dismiss(None)
    return True


def leaving() -> Confirm:
    """Before the program is left with something typed that nothing keeps."""
    words = "What you typed last is not kept yet, and leaving drops it."
    return Confirm("Leave loratui?", words, "Leave, drop it", "Stay here", destroys=True)
