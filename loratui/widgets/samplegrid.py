"""The wall of a run's pictures: a row for each prompt, a column for each step, a cursor that leads to all of them."""

from __future__ import annotations

from pathlib import Path

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.events import Click, Resize
from textual.message import Message
from textual.widgets import Static

from loratui.events.gallery import GalleryPictures, GalleryPlace, columns, rows
from loratui.terminal.text import safe_text
from loratui.widgets.samples import inside
from loratui.widgets.thumbnail import Thumbnail

ROW = 9  # lines that a row takes where there are more prompts than fit: words and 16 x 16 pixels
FEWEST = 3  # columns: the base model, one in between, the last
MOST = 12


class Cell(Thumbnail):
    """One picture of the wall; the cursor is a bar at both sides, so that it needs no colour."""

    DEFAULT_CSS = """
    Cell { width: 1fr; height: 1fr; border-left: blank; border-right: blank; color: $muted; }
    Cell.-here { border-left: outer $accent; border-right: outer $accent; color: $foreground; }
    """

    class Picked(Message):
        """The cell was clicked."""

        def __init__(self, place: GalleryPlace) -> None:
            super().__init__()
            self.place = place

    place: GalleryPlace | None = None

    @on(Click)
    def _clicked(self) -> None:
        if self.place is not None:
            self.post_message(self.Picked(self.place))


class SampleGrid(Vertical):
    """As many rows and columns as the terminal has room for, always with the first and the last step."""

    DEFAULT_CSS = """
    SampleGrid {
        & #grid-steps { height: 1; color: $muted; }
        & #grid-rows { height: 1fr; }
        & .grid-row { height: 1fr; }
        & .grid-prompt { height: 1; padding: 0 1; color: $muted; }
        & .grid-prompt.-here { color: $foreground; text-style: bold; }
    }
    """

    def __init__(self, run: Path, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._run = run
        self._top = 0
        self._shape = (0, 0)
        self._cells: list[list[Cell]] = []
        self._words: list[Static] = []
        self._pictures: GalleryPictures | None = None
        self._place: GalleryPlace | None = None

    def compose(self) -> ComposeResult:
        """The steps, and the rows as they are needed."""
        yield Static("", id="grid-steps", markup=False)
        yield Vertical(id="grid-rows")

    def show(self, pictures: GalleryPictures, place: GalleryPlace) -> None:
        """Show what is around `place`."""
        self._pictures, self._place = pictures, place
        self._draw()

    @on(Resize)
    def _draw(self) -> None:
        pictures, place = self._pictures, self._place
        width, height = self.size.width, self.size.height - 1
        if pictures is None or place is None or width < FEWEST * 3 or height < 2:
            return
        count = max(1, min(len(pictures.prompts), height // ROW))
        inner = height // count - 1  # lines of a picture
        fit = max(FEWEST, min(MOST, width // (2 * inner + 2)))
        steps = columns(pictures, fit, place.step)
        self._top, prompts = rows(pictures.prompts, count, place.prompt, self._top)
        self._reshape(len(prompts), len(steps))
        self.query_one("#grid-steps", Static).update(_steps(steps, place.step, width))
        for row, prompt in enumerate(prompts):
            self._show_row(row, prompt, steps, pictures, place)

    def _reshape(self, height: int, width: int) -> None:
        if self._shape == (height, width):
            return
        self._shape = (height, width)
        box = self.query_one("#grid-rows")
        box.remove_children()
        self._cells = [[Cell("") for _ in range(width)] for _ in range(height)]
        self._words = [Static("", classes="grid-prompt", markup=False) for _ in range(height)]
        pairs = zip(self._words, self._cells, strict=True)
        box.mount(*(Vertical(words, Horizontal(*cells), classes="grid-row") for words, cells in pairs))

    def _show_row(
        self, row: int, prompt: int, steps: tuple[int, ...], pictures: GalleryPictures, place: GalleryPlace
    ) -> None:
        here = prompt == place.prompt
        number = pictures.prompts.index(prompt) + 1
        first = pictures.steps_of(prompt)[0]
        late = f" · added at step {first}" if first else ""
        mark = "▸" if here else " "
        room = max(8, self.size.width - 10 - len(late))
        words = self._words[row]
        words.update(Content(f"{mark} {number}  {safe_text(pictures.words_of(prompt), room)}{late}"))
        words.set_class(here, "-here")
        for step, cell in zip(steps, self._cells[row], strict=True):
            picture = pictures.by_place.get((prompt, step))
            cell.place = GalleryPlace(prompt, step)
            cell.set_class(cell.place == place, "-here")
            file = None if picture is None else inside(self._run, picture.thumb)
            cell.show(file, "no base picture" if step == 0 else "not drawn")


def _steps(steps: tuple[int, ...], at: int, width: int) -> Content:
    """The heads of the columns, each over the middle of its own."""
    parts: list[Content | str | tuple[str, str]] = []
    for place, step in enumerate(steps):
        room = (place + 1) * width // len(steps) - place * width // len(steps)
        words = "base model" if step == 0 else f"step {step}"
        text = f"▸ {words} ◂" if step == at else words
        parts.append((f"{text[:room]:^{room}}", "bold $foreground" if step == at else "$muted"))
    return Content.assemble(*parts)
