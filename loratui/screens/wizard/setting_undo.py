"""Changes of settings that are taken back by a key and made again by another; both say what holds then."""

from __future__ import annotations

from typing import Any, ClassVar

from textual.binding import Binding, BindingType

from loratui.screens.shared.step import Step
from loratui.settings.checks import effective, shown
from loratui.settings.drafts.draft import Draft
from trainer.contract.settings.fields import Setting

Change = dict[Setting, Any]  # what the person had chosen before, of all that changed at once; None: the preset's value


class SettingUndo(Step):
    """Adds the two keys to a step that changes settings one at a time by `change`."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("u", "undo", "Undo"),
        Binding("U", "redo", "Redo", show=False),
    ]

    def __init__(self, draft: Draft, session: Any = None) -> None:
        super().__init__(draft, session)
        self._undo: list[Change] = []
        self._redo: list[Change] = []

    def put(self, one: Setting, value: Any) -> None:
        """Keep a value; None takes it back."""
        raise NotImplementedError

    def note(self, words: str) -> None:
        """Say it, where nothing is to be put right."""
        self.say(words)

    def can(self, action: str) -> bool:
        """Undo is there once something was changed, redo once something was taken back."""
        return bool({"undo": self._undo, "redo": self._redo}.get(action, [True])) and super().can(action)

    def change(self, one: Setting, value: Any, also: Change | None = None) -> None:
        """Keep a value, and `also` what follows from it; what all was before can be had again by one key."""
        change = {one: value, **(also or {})}
        self._undo.append(self._now(change))
        self._redo.clear()
        self._put_all(change)

    def action_undo(self) -> None:
        """Take the last change back, a reset too."""
        self._swap(self._undo, self._redo, "U makes the change again.")

    def action_redo(self) -> None:
        """Make the change again that was taken back last."""
        self._swap(self._redo, self._undo, "u takes it back.")

    def _swap(self, heap: list[Change], other: list[Change], words: str) -> None:
        change = heap.pop()
        other.append(self._now(change))
        self._put_all(change)
        said = [f"{one.title}: {shown(effective(self.draft)[one.key]) or 'empty'}" for one in change]
        self.note(f"{', '.join(said)} again. {words}")

    def _now(self, change: Change) -> Change:
        return {one: self.draft.values.get(one.key) for one in change}

    def _put_all(self, change: Change) -> None:
        for one, value in change.items():
            self.put(one, value)
