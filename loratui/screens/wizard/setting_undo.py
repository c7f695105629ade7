"""Changes of settings that are taken back by a key and made again by another; both say what holds then."""

from __future__ import annotations

from typing import Any, ClassVar

from textual.binding import Binding, BindingType

from loratui.screens.shared.step import Step
from loratui.settings.checks import effective, shown
from loratui.settings.draft import Draft
from trainer.contract.settings.fields import Setting

Change = tuple[Setting, Any]  # what the person had chosen before; None: the preset's value


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

    def change(self, one: Setting, value: Any) -> None:
        """Keep a value; what it was before can be had again."""
        self._undo.append((one, self.draft.values.get(one.key)))
        self._redo.clear()
        self.put(one, value)

    def action_undo(self) -> None:
        """Take the last change back, a reset too."""
        self._swap(self._undo, self._redo, "U makes the change again.")

    def action_redo(self) -> None:
        """Make the change again that was taken back last."""
        self._swap(self._redo, self._undo, "u takes it back.")

    def _swap(self, heap: list[Change], other: list[Change], words: str) -> None:
        one, value = heap.pop()
        other.append((one, self.draft.values.get(one.key)))
        self.put(one, value)
        self.note(f"{one.title}: {shown(effective(self.draft)[one.key]) or 'empty'} again. {words}")
