"""A run's pictures of one prompt side by side: the base model's first, the last one last."""

from __future__ import annotations

from pathlib import Path

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.widgets import Static

from loratui.events.history import History, SamplePicture
from loratui.terminal.text import safe_text
from loratui.widgets.samples import inside, which_words
from loratui.widgets.thumbnail import Thumbnail

COLUMNS = 5


class Wall(Horizontal):
    """Up to five steps of one prompt; the first, the last and the one that is recommended always among them."""

    DEFAULT_CSS = """
    Wall {
        border: round $line;
        border-title-color: $foreground;
        & .wall-column { width: 1fr; padding: 0 1; }
        & .wall-words { height: 1; text-align: center; color: $muted; }
    }
    """

    def __init__(self, run: Path, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._run = run
        self._history: History | None = None
        self._prompt = 0

    def compose(self) -> ComposeResult:
        """Columns; those that are not needed are hidden."""
        for index in range(COLUMNS):
            with Vertical(classes="wall-column", id=f"column-{index}"):
                yield Thumbnail("", id=f"wall-{index}")
                yield Static("", classes="wall-words", id=f"words-{index}", markup=False)

    def show(self, history: History, columns: int, hinted: int | None = None, nothing: str = "no pictures") -> None:
        """Show `history` in at most `columns` columns; `hinted` is the step that is recommended.

        `nothing`: what stands there if it has no picture.
        """
        self._history = history
        prompts = history.prompts
        pictures = history.of_prompt(prompts[self._prompt % len(prompts)]) if prompts else []
        chosen = spread(pictures, min(columns, COLUMNS), hinted)
        for index in range(COLUMNS):
            column = self.query_one(f"#column-{index}")
            column.display = index < max(1, len(chosen))
            if index < len(chosen):
                picture = chosen[index]
                self.query_one(f"#wall-{index}", Thumbnail).show(inside(self._run, picture.thumb))
                words = "base model" if picture.step == 0 else f"step {picture.step}"
                words += " · the hint" if picture.step == hinted else ""
                self.query_one(f"#words-{index}", Static).update(words)
        which = which_words(history, self._prompt % len(prompts)) if prompts else ""
        prompt = safe_text(history.label(chosen[0]), max(10, self.size.width - 24)) if chosen else nothing
        self.border_title = Content(prompt + which)

    def next_prompt(self, by: int) -> None:
        """Another prompt's pictures."""
        if self._history is not None:
            self._prompt = (self._prompt + by) % max(1, len(self._history.prompts))

    @property
    def last(self) -> SamplePicture | None:
        """The newest picture of the prompt that is shown."""
        prompts = self._history.prompts if self._history else ()
        return self._history.of_prompt(prompts[self._prompt % len(prompts)])[-1] if self._history and prompts else None


def spread(pictures: list[SamplePicture], count: int, wanted: int | None = None) -> list[SamplePicture]:
    """At most `count` pictures evenly over the run, with the first, the last and the one of the step `wanted`.

    Where no picture was drawn at that step, the nearest to it stands there.
    """
    if len(pictures) <= count or count < 2:
        return pictures[-count:]
    places = [round(index * (len(pictures) - 1) / (count - 1)) for index in range(count)]
    if wanted is not None and count > 2:
        place = min(range(len(pictures)), key=lambda one: abs(pictures[one].step - wanted))
        if place not in places:
            inner = min(range(1, count - 1), key=lambda one: abs(places[one] - place))
            places[inner] = place
    return [pictures[place] for place in sorted(places)]
