"""The frame that the wizard's steps share: step bar, one line of purpose, the body, one line that answers, the keys."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.dom import DOMNode
from textual.message import Message
from textual.widgets import Static

from loratui.screens.shared.session import Session
from loratui.screens.shared.steady import SteadyScreen
from loratui.settings.drafts.draft import Draft
from loratui.terminal.glyphs import glyph_of
from loratui.widgets.keyline import KeyLine, is_ours, method_of
from loratui.widgets.stepbar import StepBar
from trainer.contract.run.rundir import RunDir

TITLES = ("Pictures", "Subject", "Preset", "Settings", "Review")  # the steps after the welcome


@dataclass(frozen=True)
class Watch:
    """A step's answer that leaves the wizard: look at this run; `started` if the draft became it."""

    run: RunDir
    started: bool = False


class OpenRun(Message):
    """A run was chosen in what lies over a step: show it, then come back."""

    def __init__(self, run: RunDir) -> None:
        super().__init__()
        self.run = run


StepAnswer = Draft | Watch | None  # None: one step back


class Step(SteadyScreen[StepAnswer]):
    """One step of the wizard. It gets a draft and dismisses with a new one."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("f2", "next", "Next"),
        Binding("escape", "back", "Back"),
        Binding("f1", "help", "Help"),
    ]
    TITLE_OF: ClassVar[str] = ""
    PURPOSE: ClassVar[str] = ""  # what this step is for, and what is next: one line of at most 76 cells
    HELP: ClassVar[str] = ""
    LETTERS: ClassVar[frozenset[str]] = frozenset()  # actions of letters, which a line that has the focus takes
    LETTERS_AT: ClassVar[str] = ""  # the list that has the focus while they are commands

    def __init__(self, draft: Draft, session: Session | None = None) -> None:
        super().__init__()
        self.draft = draft
        self.session = session or Session()
        self._is_done: Callable[[], bool] | None = None  # whether what the line asks for is put right

    def compose(self) -> ComposeResult:
        """The frame; a step fills `compose_body`."""
        at = TITLES.index(self.TITLE_OF) if self.TITLE_OF in TITLES else -1
        yield StepBar(TITLES, at, {TITLES[0]: self.session.undecided(self.draft)})
        yield Static(self.PURPOSE, id="purpose", markup=False)
        with Vertical(id="body"):
            yield from self.compose_body()
        yield Static("", id="say", markup=False)
        yield KeyLine()

    def compose_body(self) -> ComposeResult:
        """The widgets of the step."""
        yield from ()

    def edit(self, draft: Draft) -> None:
        """Replace the draft and have it saved, at once: a message might come after the step was left."""
        if draft != self.draft:
            self.draft = draft
            self.session.keep(draft)
            self.mark_pictures()
            self.look_whether_done()

    def mark_pictures(self) -> None:
        """Show in the bar whether anything of the pictures is left to decide."""
        for bar in self.query(StepBar):
            bar.mark(TITLES[0], self.session.undecided(self.draft))

    def take_fields(self) -> None:
        """Take what stands in the fields: a key may come before the message of the last letter typed."""

    def ask_for(self, text: str, is_done: Callable[[], bool]) -> None:
        """Say what is to be put right; the words go as soon as it is."""
        self.say(text, "bad")
        self._is_done = is_done

    def look_whether_done(self) -> None:
        """Something changed, which may be what was asked for."""
        if self._is_done is not None and self._is_done():
            self.say("")

    def say(self, text: str, tone: str = "") -> None:
        """Answer in the line above the keys; `tone` is good, warn or bad."""
        self._is_done = None
        styles = {"good": "$text-success", "warn": "$text-warning", "bad": "$text-error"}
        words = Content.styled(glyph_of(tone) + text, styles.get(tone, "$muted"))
        if (line := self.query_one("#say", Static)).content != words:  # the same again is no new layout
            line.update(words)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Letters mean something only while the list has the focus."""
        if action in self.LETTERS:
            return self.can(action) and self.focused is not None and self.focused is self.query_one(self.LETTERS_AT)
        return super().check_action(action, parameters)

    def can(self, action: str) -> bool:
        """Whether there is something now that one of LETTERS would act on; a step that knows overrides it."""
        return True

    def letters_typed(self) -> list[tuple[DOMNode, Binding]]:
        """The keys of LETTERS, and those of the list itself, while they would be typed or mean something else."""
        if not self.LETTERS or self.focused is (at := self.query_one(self.LETTERS_AT)):
            return []
        # by the action, for which two keys may stand
        mine = {one.action: one for _, one in self._bindings if one.action in self.LETTERS and self.can(one.action)}
        of_list = {one.action: one for _, one in at._bindings if one.description and is_ours(method_of(at, one.action))}
        return [*((at, one) for one in of_list.values()), *((self, one) for one in mine.values())]

    async def run_letter(self, action: str, node: DOMNode) -> None:
        """Do one of LETTERS, or what a key of the list does, as if the list had the focus."""
        self.set_focus(self.query_one(self.LETTERS_AT))
        await self.app.run_action(action, node)

    def action_next(self) -> None:
        """Go on; a step that has something to check overrides it."""
        self.dismiss(self.draft)

    def action_back(self) -> None:
        """One step back. What was chosen here is kept: the draft was saved at each change."""
        self.take_fields()
        self.dismiss(None)

    def action_help(self) -> None:
        """Say what the keys do and what the step is for."""
        from loratui.screens.shared.dialogs import Help

        self.app.push_screen(Help(self.TITLE_OF or "loratui", self.HELP))
