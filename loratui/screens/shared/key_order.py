"""Keys in the order in which they were typed: each is taken where the one before it has led, however fast they come."""

from __future__ import annotations

from collections import deque

from textual import on
from textual.app import App, ReturnType
from textual.events import Event, Key, Paste
from textual.message import Message

ROUNDS = 3  # the key itself, the message of the widget that it reached, and what the screen did on that
LOOK = 0.02  # seconds between two looks for a screen that takes keys
LONGEST = 1.0  # seconds after which a second message is sent after a key: the first may be lost


AT_ONCE = frozenset({"escape", "ctrl+q", "ctrl+c"})  # ways out: they wait for no screen that works


class KeyTaken(Message):
    """Goes the way of a key, behind it: where this arrives, the key and what it set in motion have been."""

    def __init__(self, serial: int, rounds: int) -> None:
        super().__init__()
        self.serial, self.rounds = serial, rounds


class KeyOrder(App[ReturnType]):
    """An app that holds a key back until the one before it is done.

    Textual gives each key to the widget that has the focus when the key arrives. A terminal sends what is typed fast,
    pasted or repeated in one packet: the second key is then given away before the first one could move the focus or
    open a screen. It acts on the wrong widget, or on none.
    """

    def __init__(self) -> None:
        super().__init__()
        self._held: deque[Event] = deque()
        self._serial = 0
        self._in_flight = False
        self._timed = False
        self._next_look: tuple[int, int] | None = None  # for which key, and how many rounds follow

    async def on_event(self, event: Event) -> None:
        """Take a key at once if none is on its way, else hold it."""
        if not isinstance(event, Key | Paste) or event.is_forwarded:
            await super().on_event(event)
            return
        if self.waits and isinstance(event, Key) and event.key in AT_ONCE:
            if event.key == "escape":
                self._held.clear()  # they were for the screen that does not come now
            await super().on_event(event)
            return
        self._held.append(event)
        if not self._in_flight:
            self._in_flight = True
            await self._take_next()
        elif not self._timed:
            self._timed = True
            self.set_timer(LONGEST, self._look_after)

    @property
    def takes_keys(self) -> bool:
        """Whether a screen of the program is there; between two steps only Textual's empty one is."""
        return len(self.screen_stack) > 1 and self.screen.is_mounted and not self.waits

    @property
    def waits(self) -> bool:
        """Whether the screen works and then leaves by itself: keys are for the one that comes."""
        return bool(self.screen_stack) and getattr(self.screen, "waits", False)

    def drop_held(self) -> None:
        """Forget what was typed for a screen that does not come."""
        self._held.clear()

    async def _take_next(self) -> None:
        self._serial += 1
        if not self.takes_keys:
            self._follow(0)
            return
        await super().on_event(self._held.popleft())
        self._follow(ROUNDS)

    def _follow(self, rounds: int) -> None:
        """Send a message after the key; where no screen takes keys yet, look again."""
        if not self._running or self._exit:
            return
        stack = self.screen_stack
        target = (self.focused or self.screen) if stack else None
        if not self.takes_keys or target is None or not target.post_message(KeyTaken(self._serial, rounds)):
            pending, self._next_look = self._next_look is not None, (self._serial, rounds)
            if not pending:
                self.set_timer(LOOK, self._look)

    def _look(self) -> None:
        wanted, self._next_look = self._next_look, None
        if wanted is not None and wanted[0] == self._serial:
            self._follow(wanted[1])

    @on(KeyTaken)
    async def _taken(self, event: KeyTaken) -> None:
        if event.serial != self._serial:
            return
        if not self.takes_keys:
            self._follow(ROUNDS)
        elif event.rounds > 1:
            self._follow(event.rounds - 1)
        elif self._held:
            await self._take_next()
        else:
            self._in_flight = False

    def _look_after(self) -> None:
        """A message goes with a widget that was removed on its way: no key waits for ever for one."""
        self._timed = bool(self._held)
        if self._timed:
            self._follow(ROUNDS)
            self.set_timer(LONGEST, self._look_after)
