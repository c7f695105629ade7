"""The line of keys at the bottom of a screen, made anew only when the keys are others."""

from __future__ import annotations

from textual.binding import Binding
from textual.widgets import Footer


class KeyLine(Footer):
    """Textual's footer throws its keys away and makes them anew whenever bindings were looked at: here if they changed.

    A monitor looks at its bindings with every second of a run; the same keys need no new widgets and no new paint.
    """

    def __init__(self) -> None:
        super().__init__(show_command_palette=False)
        self._made: list[tuple[Binding, bool, str]] | None = None

    async def recompose(self) -> None:
        """Make the keys, unless those that stand there are the same."""
        if not self.is_attached:
            return
        found = [one for one in self.screen.active_bindings.values() if one.binding.show]
        keys = [(one.binding, one.enabled, one.tooltip) for one in found]
        if keys != self._made:
            self._made = keys
            await super().recompose()
