"""The wall of a sweep on the screen: a row for each place of one axis, a column for each of the other, and a cursor."""

from __future__ import annotations

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.events import Click, Resize
from textual.message import Message
from textual.widgets import Static

from loratui.sweeps.table import SIGNS
from loratui.sweeps.wall import WallBlock, WallCell
from loratui.terminal.text import plural, safe_text
from loratui.widgets.thumbnail import Thumbnail

ROW = 8  # lines that a row takes where there are more than fit
COLUMN = 16  # cells that a column takes where there are more than fit
NOTHING = "no picture"


class WallPicture(Thumbnail):
    """One picture; the cursor is a bar at both sides, so that it needs no colour."""

    DEFAULT_CSS = """
    WallPicture { width: 1fr; height: 1fr; border-left: blank; border-right: blank; color: $muted; }
    WallPicture.-here { border-left: outer $accent; border-right: outer $accent; color: $foreground; }
    """

    class Picked(Message):
        """The picture was clicked."""

        def __init__(self, row: int, column: int) -> None:
            super().__init__()
            self.row, self.column = row, column

    def __init__(self) -> None:
        super().__init__("")
        self.place = (0, 0)

    @on(Click)
    def _clicked(self) -> None:
        self.post_message(self.Picked(*self.place))


class SweepGrid(Vertical):
    """As many rows and columns as there is room for, always with the one under the cursor."""

    DEFAULT_CSS = """
    SweepGrid {
        & .grid-heads { height: 1; color: $muted; }
        & #grid-rows { height: 1fr; }
        & .grid-row { height: 1fr; }
        & .grid-words { height: 1; color: $muted; }
    }
    """

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._block: WallBlock | None = None
        self._at = (0, 0)
        self._first = (0, 0)  # row and column at the top left
        self._shape = (0, 0)
        self._cells: list[list[WallPicture]] = []
        self._words: list[Static] = []

    def compose(self) -> ComposeResult:
        """The heads, and the rows as they are needed."""
        yield Static("", classes="grid-heads", id="grid-title", markup=False)
        yield Static("", classes="grid-heads", id="grid-heads", markup=False)
        yield Vertical(id="grid-rows")

    def show(self, block: WallBlock, at: tuple[int, int]) -> None:
        """Show what is around the cell `at` (row, column)."""
        self._block, self._at = block, at
        self._draw()

    @on(Resize)
    def _draw(self) -> None:
        block, (width, height) = self._block, (self.size.width, self.size.height - 2)
        if block is None or width < COLUMN or height < 3:
            return
        down = max(1, min(len(block.rows), height // ROW))
        across = max(1, min(len(block.columns), width // COLUMN))
        self._first = (_in_sight(self._first[0], self._at[0], down), _in_sight(self._first[1], self._at[1], across))
        self._reshape(down, across)
        shown = range(self._first[1], self._first[1] + across)
        rest = [plural(len(block.columns), "column") if across < len(block.columns) else ""]
        rest += [plural(len(block.rows), "row") if down < len(block.rows) else ""]
        title = " · ".join(part for part in (block.title, *rest) if part)
        self.query_one("#grid-title", Static).update(Content(safe_text(title, width)))
        self.query_one("#grid-heads", Static).update(_line([block.columns[at] for at in shown], width, self._here(1)))
        for place in range(down):
            self._show_row(block, place, shown, width)

    def _here(self, side: int) -> int:
        return self._at[side] - self._first[side]

    def _reshape(self, down: int, across: int) -> None:
        if self._shape == (down, across):
            return
        self._shape = (down, across)
        box = self.query_one("#grid-rows")
        box.remove_children()
        self._cells = [[WallPicture() for _ in range(across)] for _ in range(down)]
        self._words = [Static("", classes="grid-words", markup=False) for _ in range(down)]
        pairs = zip(self._words, self._cells, strict=True)
        box.mount(*(Vertical(Horizontal(*cells), words, classes="grid-row") for words, cells in pairs))

    def _show_row(self, block: WallBlock, place: int, shown: range, width: int) -> None:
        row = self._first[0] + place
        words = []
        for cell, column in zip(self._cells[place], shown, strict=True):
            one = block.cells[row][column]
            cell.place = (row, column)
            cell.set_class(cell.place == self._at, "-here")
            cell.show(one.small, NOTHING)
            words.append(cell_words(block, row, one))
        self._words[place].update(_line(words, width, self._here(1) if row == self._at[0] else -1))


def cell_words(block: WallBlock, row: int, cell: WallCell) -> str:
    """What stands below a picture: the place down, the loss, and the mark that the row has in the table."""
    place = f"{block.rows[row]}:" if block.rows[row] else ""
    return " ".join(part for part in (SIGNS[cell.mark], place, cell.words) if part)


def _in_sight(first: int, at: int, count: int) -> int:
    """The first of `count` in sight, moved no further than `at` needs."""
    return min(max(first, at - count + 1), at)


def _line(words: list[str], width: int, here: int) -> Content:
    """Words side by side, each over the middle of its own column."""
    parts: list[Content | str | tuple[str, str]] = []
    for place, one in enumerate(words):
        room = (place + 1) * width // len(words) - place * width // len(words)
        text = safe_text(one, max(4, room - 2))
        parts.append((f"{text:^{room}}", "bold $foreground" if place == here else "$muted"))
    return Content.assemble(*parts)
