"""A key that a screen has, but that does nothing now, says why: its help names the key whatever the moment."""

from __future__ import annotations

from textual.actions import parse
from textual.events import Key
from textual.screen import ScreenResultType

from loratui.screens.shared.steady import SteadyScreen


class KeyReasons(SteadyScreen[ScreenResultType]):
    """A screen that says which of its actions cannot be done now, and why not."""

    def why_not(self, action: str) -> str:
        """Why `action`, which `check_action` refuses now, cannot be done, as half a sentence; empty: not said."""
        raise NotImplementedError

    def refuse(self, words: str) -> None:
        """Say why not."""
        raise NotImplementedError

    def on_key(self, event: Key) -> None:
        """Where none of what the key stands for can be done: the first reason."""
        actions = [parse(one.action)[1:] for one in self._bindings.key_to_bindings.get(event.key, ())]
        if any(self.check_action(*one) for one in actions):
            return
        if why := next(filter(None, (self.why_not(name) for name, _ in actions)), ""):
            event.stop()
            self.refuse(why)
