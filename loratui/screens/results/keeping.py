"""Asks for another name, a note, or the end of a run, on top of the screen that shows it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar

from textual.binding import Binding, BindingType
from textual.message import Message
from textual.screen import Screen, ScreenResultType

from loratui.errors import Refusal
from loratui.runs.keeping import LONGEST, delete_run, read_note, rename_run, size_of, write_note
from loratui.runs.states import has_files
from loratui.screens.shared.editors import LineEditor
from loratui.screens.shared.questions import Confirm
from loratui.screens.shared.steady import SteadyScreen
from loratui.terminal.text import safe_text, show_path
from trainer.contract.run.rundir import RunDir
from trainer.contract.units import in_bytes


class RunKept(Message):
    """`run` became `now`: the same with another note, another name, or None: it is gone. `reason`: why not."""

    def __init__(self, run: RunDir, now: RunDir | None, reason: str = "") -> None:
        super().__init__()
        self.run, self.now, self.reason = run, now, reason


class KeepingKeys(SteadyScreen[ScreenResultType]):
    """Adds the keys to a screen that says which run is meant."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("N", "rename", "Name", show=False),
        Binding("t", "note", "Note", show=False),
        Binding("x", "delete", "Delete", show=False),
    ]

    @property
    def kept_run(self) -> RunDir | None:
        """The run that is meant; None where there is none."""
        raise NotImplementedError

    def action_rename(self) -> None:
        """Another name for the run's folder."""
        self._ask(ask_name)

    def action_note(self) -> None:
        """A line about the run."""
        self._ask(ask_note)

    def action_delete(self) -> None:
        """Remove the run, after a question."""
        self._ask(ask_delete)

    def _ask(self, ask: Callable[[Screen[Any], RunDir], None]) -> None:
        if (run := self.kept_run) is not None:
            ask(self, run)


def ask_name(screen: Screen[Any], run: RunDir) -> None:
    """Another name for the run's folder; `screen` gets RunKept."""

    def named(name: str | None) -> None:
        if name is not None and name != run.path.name:
            _do(screen, run, partial(rename_run, run, name))

    words = f"The folder {show_path(run.path)} gets this name; the files in it keep theirs."
    screen.app.push_screen(LineEditor("Rename the run", run.path.name, words), named)


def ask_note(screen: Screen[Any], run: RunDir) -> None:
    """A line about the run; `screen` gets RunKept."""

    def noted(text: str | None) -> None:
        def note() -> RunDir:
            write_note(run, text or "")
            return run

        if text is not None:
            _do(screen, run, note)

    words = f"A line for yourself, at most {LONGEST} characters; it lies in the run as note.txt and goes nowhere else."
    screen.app.push_screen(LineEditor("Note on the run", read_note(run), words), noted)


def ask_delete(screen: Screen[Any], run: RunDir) -> None:
    """All of the run removed, after a question; `screen` gets RunKept."""

    def answered(yes: bool | None) -> None:
        if yes:
            _do(screen, run, partial(delete_run, run))

    lost = "the trained files, the checkpoints and the pictures" if has_files(run) else "checkpoints and pictures"
    words = f"{show_path(run.path)}: {in_bytes(size_of(run))}, with {lost}.\n\nThis cannot be undone."
    question = Confirm(f"Delete {safe_text(run.path.name, 40)}?", words, "Delete it", "Keep it", destroys=True)
    screen.app.push_screen(question, answered)


def _do(screen: Screen[Any], run: RunDir, deed: Callable[[], RunDir | None]) -> None:
    """Do it; `screen` gets what became of the run, or why it is as it was."""
    try:
        told = RunKept(run, deed())
    except Refusal as refusal:
        told = RunKept(run, run, refusal.messages[0])
    screen.post_message(told)
