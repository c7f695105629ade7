"""A run's validation pictures: one prompt and step, beside the base model's where there is room."""

from __future__ import annotations

from pathlib import Path

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.widgets import Static

from loratui.events.gallery import inside as inside  # for those that show one picture too
from loratui.events.gallery import seeded
from loratui.events.history import History, SamplePicture
from loratui.terminal.text import safe_text
from loratui.widgets.thumbnail import Thumbnail

NOT_YET = "no picture yet"


class Samples(Vertical):
    """The newest picture until the person looks at another step; `base` adds the first one beside it."""

    DEFAULT_CSS = """
    Samples {
        border: round $line;
        border-title-color: $foreground;
        border-subtitle-color: $muted;
        & .pictures { height: 1fr; }
        & #base-column { display: none; width: 1fr; }
        & #now-column { width: 1fr; }
        & .under { height: 1; content-align: center middle; color: $muted; display: none; }
        &.-pair #base-column { display: block; }
        &.-pair .under { display: block; }
    }
    """

    def __init__(self, run: Path, *, id: str | None = None, pair: bool = False) -> None:
        super().__init__(id=id)
        self.nothing = NOT_YET  # what stands there until there is one
        self._run = run
        self._prompt = 0  # place in the list of prompts
        self._place: int | None = None  # place in the list of steps; None follows the newest
        self._history: History | None = None
        self.set_class(pair, "-pair")

    def compose(self) -> ComposeResult:
        """Two columns; the left one is hidden where there is no room."""
        with Horizontal(classes="pictures"):
            with Vertical(id="base-column"):
                yield Thumbnail(self.nothing, id="base")
                yield Static("", classes="under", id="base-words", markup=False)
            with Vertical(id="now-column"):
                yield Thumbnail(self.nothing, id="now")
                yield Static("", classes="under", id="now-words", markup=False)

    def show(self, history: History) -> None:
        """Show what `history` has."""
        self._history = history
        pictures = self._pictures()
        now = self.current
        self.query_one("#now", Thumbnail).show(None if now is None else self.file(now), self.nothing)
        self.query_one("#base", Thumbnail).show(self.file(pictures[0]) if pictures else None, self.nothing)
        if now is None:
            self.border_title = Content("pictures")
            return
        which = which_words(history, self._prompt)
        self.border_title = Content(f"step {now.step}{which}")
        self.border_subtitle = Content(safe_text(history.label(now), limit=max(8, self.size.width - 2)))
        self.query_one("#base-words", Static).update(_under(pictures[0]))
        self.query_one("#now-words", Static).update(_under(now))

    @property
    def current(self) -> SamplePicture | None:
        """The picture that is shown."""
        pictures = self._pictures()
        if not pictures:
            return None
        return pictures[-1 if self._place is None else min(self._place, len(pictures) - 1)]

    @property
    def place(self) -> tuple[int | None, int | None]:
        """The prompt's index and the step that are shown; no step where the newest is followed."""
        now = self.current
        if now is None:
            return None, None
        return now.index, None if self._place is None else now.step

    def file(self, picture: SamplePicture) -> Path:
        """Where a picture's small copy lies; one that points out of the run is shown as missing."""
        return inside(self._run, picture.thumb)

    def move(self, steps: int = 0, prompts: int = 0) -> None:
        """Look at an earlier or later step, or another prompt."""
        if self._history is None or not self._history.samples:
            return
        self._prompt = (self._prompt + prompts) % len(self._history.prompts)
        count = len(self._pictures())
        place = (count - 1 if self._place is None else self._place) + steps
        self._place = None if place >= count - 1 else max(0, place)
        self.show(self._history)

    def _pictures(self) -> list[SamplePicture]:
        if self._history is None or not self._history.samples:
            return []
        prompts = self._history.prompts
        return self._history.of_prompt(prompts[min(self._prompt, len(prompts) - 1)])


def which_words(history: History, place: int) -> str:
    """Which of a run's prompts a picture shows, by its place; nothing where there is one. Of seeds it is a picture."""
    count, word = len(history.prompts), "picture" if seeded(history) else "prompt"
    return f" · {word} {place + 1}/{count}" if count > 1 else ""


def _under(picture: SamplePicture) -> str:
    return "base model" if picture.step == 0 else f"step {picture.step}"
