"""Keys one after the other: each finds the focus where the one before has put it."""

from __future__ import annotations

from collections import deque

from textual.app import App, ReturnType
from textual.events import Event, Key
from textual.message_pump import MessagePump
from textual.timer import Timer

PATIENCE = 0.5  # seconds; a widget that is taken away with a key inside it would never say that it is through
WAYS = 2  # the key's own way up from the focus, and that of what its action said there


class KeyOrder(App[ReturnType]):
    """An app that sends a key on its way when the one before has done all that it does.

    Textual gives a key to the widget that has the focus when it comes, and looks for what it is bound to when it has
    come up through all that stand around that widget. Of keys that come at once (typed fast over a slow line, or on a
    busy machine) the later ones are on their way before the first has moved the focus: the line that it opens would
    lack their letters, or they would do what they mean outside of it.
    """

    def __init__(self) -> None:
        super().__init__()
        self._keys: deque[Key] = deque()
        self._under_way = 0  # the number of the key that is on its way; 0: none is
        self._sent = 0
        self._patience: Timer | None = None

    async def on_event(self, event: Event) -> None:
        """Textual's own place for a key that has just come; all else passes."""
        if not isinstance(event, Key) or event.is_forwarded:
            await super().on_event(event)
            return
        self._keys.append(event)
        if not self._under_way:
            await self._send_next()

    async def _send_next(self) -> None:
        if not self._keys:
            return
        self._sent += 1
        self._under_way = number = self._sent
        self._patience = self.set_timer(PATIENCE, lambda: self._is_through(number))
        start = self.focused or self.screen
        await super().on_event(self._keys.popleft())
        self._behind(start, number, WAYS)

    def _behind(self, place: MessagePump, number: int, ways: int) -> None:
        """Go where the key goes, behind it; what is being taken away is passed over."""
        while not place.call_later(self._came, place, number, ways) and place is not self:
            place = place._parent or self

    async def _came(self, place: MessagePump, number: int, ways: int) -> None:
        if number != self._under_way:
            return
        if place is not self:
            self._behind(place._parent or self, number, ways)
        elif ways > 1:
            self._behind(self.focused or self.screen, number, ways - 1)
        else:
            await self._is_through(number)

    async def _is_through(self, number: int) -> None:
        if number != self._under_way:
            return
        if self._patience is not None:
            self._patience.stop()
        self._under_way = 0
        await self._send_next()
