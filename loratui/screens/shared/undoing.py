"""A step whose decisions are taken back by a key, whatever else was chosen since."""

from __future__ import annotations

from loratui.screens.shared.step import Step
from loratui.settings.draft import Draft
from loratui.settings.undo import Decision


class UndoingStep(Step):
    """`do` takes a new draft, `u` takes it back: the decisions of all steps lie on one heap."""

    def do(self, words: str, draft: Draft) -> None:
        """Take `draft` for the present one; `u` takes that back. `words` say what was done."""
        if draft == self.draft:
            self.say("That changes nothing.", "warn")
            return
        self.session.undo.append(Decision.between(words, self.draft, draft))
        self.take_draft(draft)
        self.say(f"{words} u takes it back.", "good")

    def action_undo(self) -> None:
        """Take the last decision back."""
        if not self.session.undo:
            self.say("There is nothing to take back.", "warn")
            return
        last = self.session.undo.pop()
        self.take_draft(last.taken_back(self.draft))
        self.say(taken_back(last), "good")

    def take_draft(self, draft: Draft) -> None:
        """Keep a draft that was decided on or taken back to; a step shows what it changed."""
        self.edit(draft)


def taken_back(decision: Decision) -> str:
    """What is said of a decision that was taken back: its words in quotes, for they are true no more."""
    return f'Taken back: "{decision.words}"'
