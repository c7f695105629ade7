"""What is done with a run from where it is shown: only what can be done; another name, a note, its end, a new run."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar, cast, get_args

from textual.binding import Binding, BindingType
from textual.message import Message
from textual.screen import Screen, ScreenResultType

from loratui.errors import Refusal
from loratui.runs.find import link_trouble
from loratui.runs.keeping import (
    LONGEST,
    contents_words,
    delete_run,
    name_trouble,
    read_note,
    rename_run,
    size_of,
    write_note,
)
from loratui.runs.past_run import PastRun, built_on, draft_of_run
from loratui.runs.possible import Deed, Possible
from loratui.screens.shared.editors import LineEditor
from loratui.screens.shared.key_reasons import KeyReasons
from loratui.screens.shared.questions import Confirm
from loratui.terminal.text import safe_text, show_path
from trainer.contract.run.rundir import RunDir
from trainer.contract.units import in_bytes


class RunKept(Message):
    """`run` became `now`: the same with another note, another name, or None: it is gone. `reason`: why not."""

    def __init__(self, run: RunDir, now: RunDir | None, reason: str = "") -> None:
        super().__init__()
        self.run, self.now, self.reason = run, now, reason


class KeepingKeys(KeyReasons[ScreenResultType]):
    """Adds the keys to a screen that says which run is meant; a key is there where it can be done, else it says why."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("n", "draft", "Draft", show=False),
        Binding("b", "build_on", "Build on", show=False),
        Binding("N", "rename", "Rename", show=False),
        Binding("t", "note", "Note", show=False),
        Binding("x", "delete", "Delete", show=False),
    ]

    @property
    def kept_run(self) -> RunDir | None:
        """The run that is meant; None where there is none."""
        raise NotImplementedError

    @property
    def possible(self) -> Possible | None:
        """What can be done with it; None where there is none."""
        raise NotImplementedError

    def begin_from(self, past: PastRun) -> None:
        """To the wizard, with what was made of the run."""
        raise NotImplementedError

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Only the keys that mean something for the run; what was never started is begun and not resumed."""
        now = self.possible
        if action in ("go_on", "begin"):
            return now is not None and now.goes_on_by(action)
        if action in get_args(Deed):
            return now is not None and now.can(cast(Deed, action))
        return super().check_action(action, parameters)

    def why_not(self, action: str) -> str:
        """What the run's state and files say of it."""
        now = self.possible
        return now.why_not(cast(Deed, action)) if now is not None and action in get_args(Deed) else ""

    def action_draft(self) -> None:
        """A new draft with the run's answers: change what you like."""
        self._begin(draft_of_run)

    def action_build_on(self) -> None:
        """A new run with these answers that starts from this LoRA."""
        self._begin(built_on)

    def _begin(self, read: Callable[[RunDir], PastRun]) -> None:
        if self.kept_run is None:
            return
        if trouble := link_trouble(self.kept_run):
            self.refuse(trouble)
            return
        try:
            past = read(self.kept_run)
        except Refusal as error:
            self.refuse(safe_text(error, 200))
        else:
            self.begin_from(past)

    def action_rename(self) -> None:
        """Another name for the folder of the run."""
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
    screen.app.push_screen(LineEditor("Rename the run", run.path.name, words, partial(name_trouble, run)), named)


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

    words = f"{show_path(run.path)}: {in_bytes(size_of(run))}, with {contents_words(run)}.\n\nThis cannot be undone."
    question = Confirm(f"Delete {safe_text(run.path.name, 40)}?", words, "Delete it", "Keep it", destroys=True)
    screen.app.push_screen(question, answered)


def _do(screen: Screen[Any], run: RunDir, deed: Callable[[], RunDir | None]) -> None:
    """Do it; `screen` gets what became of the run, or why it is as it was."""
    try:
        told = RunKept(run, deed())
    except Refusal as refusal:
        told = RunKept(run, run, refusal.messages[0])
    screen.post_message(told)
