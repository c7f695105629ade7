"""What is typed into a small window, one line or a few fields: kept or dropped by an answer, never lost by Escape."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Literal, TypeVar

from textual import on
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.content import Content
from textual.events import DescendantFocus
from textual.screen import ScreenResultType
from textual.widgets import Input, Static

from loratui.screens.shared.questions import Answer, Question
from loratui.screens.shared.steady import SteadyModal
from loratui.widgets.dialog import Dialog

Kept = Literal["keep", "stay", "drop"]
Typed = TypeVar("Typed")
Check = Callable[[Typed], str]  # what is wrong with what was typed; empty if nothing


def ask_unkept(app: App[Any], keep: str, kept: Callable[[], None], dropped: Callable[[], None]) -> None:
    """Ask what becomes of what was typed: `keep` says what keeping does; without an answer it stays as it is."""
    answers: list[Answer[Kept]] = [
        Answer("y", keep, "keep"),
        Answer("n", "Keep writing", "stay"),
        Answer("d", "Drop it", "drop", destroys=True),
    ]
    question = Question[Kept]("Not kept yet", "What you typed here is not kept yet.", answers, "stay", start=1)

    def take(answer: Kept | None) -> None:
        if answer == "keep":
            kept()
        elif answer == "drop":
            dropped()

    app.push_screen(question, take)


class Editor(SteadyModal[ScreenResultType]):
    """A window with lines to type in. Enter in the last one keeps, Escape closes where nothing was typed, else asks.

    What Enter does in the line that has the focus stands in the border.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("f2", "keep", "Keep", show=False),
        Binding("escape", "cancel", "Cancel"),
    ]
    KEEPS: ClassVar[str] = "Keep it"

    @property
    def starts(self) -> list[str]:
        """What stood in the lines at first."""
        raise NotImplementedError

    @property
    def unkept(self) -> bool:
        """Whether something was typed."""
        return self.is_mounted and [one.value for one in self.query(Input)] != self.starts

    @property
    def keeps(self) -> str:
        """What keeping does, as the words of a button."""
        return self.KEEPS

    @property
    def ends(self) -> str:
        """The keys that end it now."""
        return "Enter keeps, Escape cancels"

    @property
    def goes_on(self) -> bool:
        """Whether Enter leads to the next line: there is one, and the focus is in a line before it."""
        lines = list(self.query(Input))
        return len(lines) > 1 and self.focused is not lines[-1]

    @on(DescendantFocus)
    def _say_what_enter_does(self) -> None:
        self.query_one(Dialog).border_subtitle = Content(self.ends)

    @on(Input.Submitted)
    def _entered(self) -> None:
        if self.goes_on:
            self.focus_next()
        else:
            self.keep()

    def keep(self) -> None:
        """Answer with what stands there, or say what is wrong with it."""
        raise NotImplementedError

    def action_keep(self) -> None:
        """What Enter does in the last line."""
        self.keep()

    def answer(self, given: ScreenResultType, wrong: str) -> None:
        """Close with what was typed, or say what is wrong with it."""
        if wrong:
            self.query_one(".dialog-words", Static).update(Content.styled(f"✗ {wrong}", "$text-error"))
        else:
            self.dismiss(given)

    def action_cancel(self) -> None:
        """Leave everything as it was; ask where something was typed."""
        if self.unkept:
            ask_unkept(self.app, self.keeps, self.keep, self._drop)
        else:
            self.dismiss(None)

    def _drop(self) -> None:
        self.dismiss(None)


class Form(Editor[dict[str, str] | None]):
    """A few short fields. Enter in the last one answers, up and down go from one to the next, F2 answers from any."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "app.focus_previous", show=False),
        Binding("down", "app.focus_next", show=False),
    ]

    def __init__(
        self,
        title: str,
        words: str,
        fields: Sequence[tuple[str, str, str]],
        check: Check[dict[str, str]] | None = None,
        *,
        does: str,
        typed: bool = False,
        whole: bool = False,
    ) -> None:
        """`fields`: label (also the key of the answer), value, what an empty one means; `typed`: by a person.

        `does`: what the answer leads to, as the words of a button. `whole`: it can be taken as it stands, so that Enter
        answers from any field; Tab goes from one to the next.
        """
        super().__init__()
        self._does = does
        self._typed, self._whole = typed, whole
        self._title, self._words, self._fields, self._check = title, words, fields, check

    @property
    def keeps(self) -> str:
        """What the answer leads to."""
        return self._does

    @property
    def starts(self) -> list[str]:
        """The values that were given."""
        return [value for _, value, _ in self._fields]

    @property
    def unkept(self) -> bool:
        """Whether something was typed, now or before."""
        return self._typed or super().unkept

    @property
    def ends(self) -> str:
        """In a field before the last one Enter goes on, where the form cannot be taken as it stands."""
        does = self._does.lower()
        if self.goes_on:
            return f"Enter: next field, F2: {does}, Escape cancels"
        return f"Enter: {does}, {'Tab: next field, ' if len(self._fields) > 1 else ''}Escape cancels"

    @property
    def goes_on(self) -> bool:
        """Whether Enter leads to the next field."""
        return not self._whole and super().goes_on

    def compose(self) -> ComposeResult:
        """What it is for, and the fields."""
        with Dialog(self._title, self.ends):
            yield Static(self._words, markup=False, classes="dialog-words")
            for label, value, empty in self._fields:
                with Horizontal(classes="row"):
                    yield Static(label, classes="label", markup=False)
                    yield Input(value, placeholder=empty, compact=True, select_on_focus=False)

    def keep(self) -> None:
        """Answer by label, stripped."""
        inputs = self.query(Input)
        given = {label: one.value.strip() for (label, _, _), one in zip(self._fields, inputs, strict=True)}
        self.answer(given, self._check(given) if self._check is not None else "")


class LineEditor(Editor[str | None]):
    """One line of text; Enter keeps it."""

    def __init__(self, title: str, value: str, words: str, check: Check[str] | None = None) -> None:
        super().__init__()
        self._title, self._value, self._words, self._check = title, value, words, check

    @property
    def starts(self) -> list[str]:
        """The line as it was."""
        return [self._value]

    def compose(self) -> ComposeResult:
        """What the line is for, and the line."""
        with Dialog(self._title, self.ends):
            yield Static(self._words, markup=False, classes="dialog-words")
            yield Input(self._value, compact=True, select_on_focus=False)

    def keep(self) -> None:
        """Answer with the line as it is."""
        value = self.query_one(Input).value
        self.answer(value, self._check(value) if self._check is not None else "")
