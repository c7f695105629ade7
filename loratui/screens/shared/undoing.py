"""A step whose decisions are taken back by a key and done again by another, whatever else was chosen since."""

from __future__ import annotations

from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.widgets import Input

from loratui.screens.shared.step import Step
from loratui.settings.drafts.draft import Draft
from loratui.settings.drafts.undo import Decision


class UndoingStep(Step):
    """`do` takes a new draft, `u` takes it back, `U` does it again: the decisions of all steps lie on one heap."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("U", "redo", "Redo", show=False)]

    def do(self, words: str, draft: Draft) -> None:
        """Take `draft` for the present one; `u` takes that back. `words` say what was done."""
        if draft == self.draft:
            self.say("That changes nothing.", "warn")
            return
        self.session.undo.append(Decision.between(words, self.draft, draft))
        self.session.redo.clear()
        self.settle(draft, done(self.session.undo[-1]))

    def action_undo(self) -> None:
        """Take the last decision back."""
        before = self.draft
        while self.session.undo:
            last = self.session.undo.pop()
            draft = last.taken_back(before)
            if draft != before:  # else something else was chosen in place of all of it
                self.session.redo.append(Decision.between(last.words, before, draft))
                self.settle(draft, taken_back(last, whole=last.holds(before)))
                return
        self.say("There is nothing to take back.", "warn")

    def action_redo(self) -> None:
        """Do again what was taken back last."""
        last, before = self.session.redo.pop(), self.draft
        draft = last.taken_back(before)
        if draft == before:
            self.say("There is nothing to do again: something else was chosen since.", "warn")
            return
        self.session.undo.append(Decision.between(last.words, before, draft))
        self.settle(draft, done(last))

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """There is something to do again once something was taken back."""
        if action == "redo":
            return bool(self.session.redo) and not isinstance(self.focused, Input)
        return super().check_action(action, parameters)

    def settle(self, draft: Draft, words: str) -> None:
        """Take what was decided, taken back or done again, and say it."""
        self.remember_done(words)
        self.take_draft(draft)
        self.say(words, "good")

    def remember_done(self, words: str) -> None:
        """What is said of a decision; a step that says something else after it keeps the words."""

    def take_draft(self, draft: Draft) -> None:
        """Keep a draft that was decided on or taken back to; a step shows what it changed."""
        self.edit(draft)


def done(decision: Decision) -> str:
    """What is said of a decision: what was done, and the key that takes it back."""
    return f"{decision.words} u takes it back."


def taken_back(decision: Decision, whole: bool = True) -> str:
    """What is said of one that was taken back: its words in quotes, for they are true no more, and the key for them."""
    but = "" if whole else ", but for what was changed since"
    return f'Taken back{but}: "{decision.words}" U does it again.'
