"""A list of any length with a cursor, of which only the rows in sight are made."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from textual import on
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.events import Click, MouseScrollDown, MouseScrollUp, Resize
from textual.message import Message
from textual.widget import Widget

DrawRow = Callable[[int, int], Content]  # the place of a row and the cells that it has; the row


class LongList(Widget, can_focus=True):
    """Draws rows as it is asked to; `Moved` tells where the cursor went."""

    DEFAULT_CSS = """
    LongList { height: 1fr; border: round $line; border-title-color: $foreground; padding: 0 1; }
    LongList:focus { border: round $accent; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move(-1)", show=False),
        Binding("down,j", "move(1)", show=False),
        Binding("pageup", "page(-1)", show=False),
        Binding("pagedown", "page(1)", show=False),
        Binding("home", "move(-1000000)", show=False),
        Binding("end", "move(1000000)", show=False),
    ]

    class Moved(Message):
        """The cursor is on another row."""

        def __init__(self, place: int) -> None:
            super().__init__()
            self.place = place

    def __init__(self, draw: DrawRow, empty: str, *, id: str | None = None) -> None:
        """`empty` stands there while there are no rows."""
        super().__init__(id=id)
        self._draw, self._empty = draw, empty
        self._count = self._place = self._top = 0

    @property
    def place(self) -> int:
        """The row of the cursor; 0 in an empty list too."""
        return self._place

    def show(self, count: int, place: int | None = None) -> None:
        """Show so many rows, the cursor at `place`, or as near to where it was as there are rows."""
        self._count = count
        self._go(self._place if place is None else place)
        self.refresh()

    def action_move(self, rows: int) -> None:
        """The cursor so many rows further."""
        before = self._place
        self._go(before + rows)
        if self._place != before:
            self.refresh()
            self.post_message(self.Moved(self._place))

    def action_page(self, pages: int) -> None:
        """The cursor so many windows further."""
        self.action_move(pages * max(1, self.size.height - 1))

    def _go(self, place: int) -> None:
        self._place = max(0, min(place, self._count - 1))
        rows = max(1, self.size.height)
        self._top = max(0, min(self._top, self._place, self._count - rows))
        if self._place >= self._top + rows:
            self._top = self._place - rows + 1

    @on(Resize)
    def _resized(self) -> None:
        self._go(self._place)

    @on(Click)
    def _clicked(self, event: Click) -> None:
        inside = event.get_content_offset(self)
        if inside is not None and self._top + inside.y < self._count:
            self.action_move(self._top + inside.y - self._place)

    @on(MouseScrollDown)
    def _down(self) -> None:
        self.action_move(1)

    @on(MouseScrollUp)
    def _up(self) -> None:
        self.action_move(-1)

    def render(self) -> Content:
        """The rows in sight; the cursor is a mark and a colour."""
        width, height = self.size.width, self.size.height
        if not self._count:
            return Content.styled(self._empty, "$muted")
        return Content("\n").join(self._row(place, width) for place in range(self._top, self._top + height))

    def _row(self, place: int, width: int) -> Content:
        if place >= self._count:
            return Content("")
        row = self._draw(place, width - 2)
        if place != self._place:
            return Content.assemble("  ", row)
        line = Content.assemble("▸ ", row)
        line = Content.assemble(line, " " * max(0, width - line.cell_length))
        return line.stylize("on $accent 25%" if self.has_focus else "on $panel")
