"""Screens that keep the size that the window has, whatever older sizes are still on their way to them."""

from __future__ import annotations

from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.events import Resize
from textual.screen import ModalScreen, Screen, ScreenResultType

from loratui.screens.shared.key_order import KeyOrder


class SteadyScreen(Screen[ScreenResultType]):
    """A screen that lays itself out for the size of the window and no other."""

    waits: bool = False  # it works, then leaves by itself: what is typed meanwhile is for the screen that comes

    def stop_waiting(self) -> None:
        """Something else comes than the next screen: what was typed for that one is dropped, and answers nothing."""
        self.waits = False
        if isinstance(self.app, KeyOrder):
            self.app.drop_held()

    def on_resize(self, event: Resize) -> None:
        """Pass over a size that the window has no more.

        Textual's screen lays itself out for each size that it is told, and tells itself the size that it was laid out
        for. Where the window changes before that has arrived, two sizes chase each other for ever: the program redraws
        without end and takes no key.
        """
        _take_size(self, event)

    def resized(self) -> None:
        """What a screen does for a new size, while it stands: not before its widgets are there, nor as they go."""


class SteadyModal(ModalScreen[ScreenResultType]):
    """The same for what stands over another screen."""

    # of the program's own keys a window lets through only those that go before all others
    BINDINGS: ClassVar[list[BindingType]] = [Binding("ctrl+c", "app.help_quit", "Leave", show=False)]

    def on_resize(self, event: Resize) -> None:
        """Pass over a size that the window has no more."""
        _take_size(self, event)

    def resized(self) -> None:
        """What a window does for a new size, while it stands."""


def _take_size(screen: SteadyScreen[ScreenResultType] | SteadyModal[ScreenResultType], event: Resize) -> None:
    if event.size != screen.app.size:
        event.prevent_default()
        event.stop()
    elif screen.is_mounted and screen.display and screen.children:
        screen.resized()
