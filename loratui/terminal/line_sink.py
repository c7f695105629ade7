"""Where the lines of a run go: as they are into a log, a pipe or a screen reader; above a live bar on a terminal."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TextIO

from loratui.terminal.notices import hears, notice
from loratui.terminal.text import speakable

if TYPE_CHECKING:
    from rich.console import RenderableType

PACE = 2.0  # seconds between two lines that only say how far it is
BAR_PACE = 0.5  # seconds between two states of the bar: a slow line carries two short updates a second


@dataclass(frozen=True)
class RunProgress:
    """How far the run is. `total` is 0 where nobody knows; `line` is the whole of it as a line of its own."""

    words: str
    done: int
    total: int
    facts: str
    line: str
    lasting: bool  # a step: its newest line is worth saying when something else follows
    count: str = ""  # "2.1 of 6.9 GB", where `done` and `total` alone say it badly


class Sink(Protocol):
    """Takes lines that are safe to show, and how far the run is."""

    def line(self, text: str) -> None:
        """Say something, at once."""

    def far(self, far: RunProgress) -> None:
        """Note how far it is; said when the last time is long enough ago."""

    def flush(self) -> None:
        """Say what was noted, if it is time."""

    def settle(self) -> None:
        """Something else follows: say what was noted if it would be missed."""

    def ring(self, words: str) -> None:
        """Something that was waited for has ended: bell and notice where a terminal takes them."""

    def close(self) -> None:
        """Nothing follows."""


def sink_for(out: TextIO) -> Sink:
    """A bar where `out` is a terminal that can draw one (not TERM=dumb, which screen readers ask for), else lines."""
    if out.isatty() and os.environ.get("TERM", "") not in ("", "dumb"):
        return Bar(out)
    return Lines(out)


class Lines:
    """One line after the other, each whole: nothing is ever drawn over."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._noted: RunProgress | None = None
        self._said_at = float("-inf")  # monotonic seconds of the last line that said how far it is

    def line(self, text: str) -> None:
        """Say something, at once; what the terminal's encoding lacks has a counterpart."""
        print(speakable(text, self._out.encoding), file=self._out, flush=True)

    def far(self, far: RunProgress) -> None:
        """The first of a phase is said at once."""
        if self._noted is not None and self._noted.words != far.words:
            self.settle()
        if not far.lasting and far.done == 0:
            self._said_at = time.monotonic()
            self.line(f"{far.words} ...")
        self._noted = far
        self.flush()

    def flush(self) -> None:
        """Say what was noted, if the last one is long enough ago."""
        if time.monotonic() - self._said_at >= PACE:
            self._say()

    def settle(self) -> None:
        """A step's line is said; how far a phase was is not."""
        if self._noted is not None and self._noted.lasting:
            self._say()
        self._noted = None

    def ring(self, words: str) -> None:
        """A log, a pipe or a screen reader is not rung at."""

    def close(self) -> None:
        """As before something else."""
        self.settle()

    def _say(self) -> None:
        if self._noted is not None and (self._noted.lasting or self._noted.done):
            self.line(self._noted.line)
            self._said_at = time.monotonic()
        self._noted = None


class Bar:
    """Lines, and below them a bar (rich) with its figures: redrawn twice a second, and gone at the end."""

    def __init__(self, out: TextIO) -> None:
        from rich.console import Console
        from rich.live import Live

        self._console = Console(file=out, highlight=False, markup=False, emoji=False)
        self._live = Live(console=self._console, auto_refresh=False, transient=True)
        self._far: RunProgress | None = None  # newer than what is drawn
        self._drawn_at = float("-inf")

    def line(self, text: str) -> None:
        """Say something above the bar."""
        from rich.text import Text

        self._console.print(Text(self._speakable(text)), soft_wrap=True)

    def far(self, far: RunProgress) -> None:
        """Move the bar."""
        self._far = far
        self.flush()

    def flush(self) -> None:
        """Draw, if the last time is long enough ago."""
        if self._far is not None and time.monotonic() - self._drawn_at >= BAR_PACE:
            self._live.start()
            self._live.update(self._drawing(self._far), refresh=True)
            self._drawn_at, self._far = time.monotonic(), None

    def settle(self) -> None:
        """The bar stands for itself."""

    def ring(self, words: str) -> None:
        """Ring, and have the desktop say it."""
        if hears():
            self._console.file.write(notice(self._speakable(words)))
            self._console.file.flush()

    def close(self) -> None:
        """Take the bar away."""
        self._live.stop()

    def _drawing(self, far: RunProgress) -> RenderableType:
        from rich.console import Group
        from rich.constrain import Constrain
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        share = (
            f"{far.count or f'{far.done} of {far.total}'}  {100 * far.done // far.total} %"
            if far.total
            else str(far.done or "")
        )
        row = Table.grid(padding=(0, 1), expand=True)
        row.add_column(no_wrap=True)
        row.add_column(ratio=1)
        row.add_column(no_wrap=True)
        bar = ProgressBar(total=far.total or None, completed=far.done, pulse=False)
        row.add_row(Text(self._speakable(far.words)), bar, Text(share))
        facts = Text(self._speakable(far.facts), style="dim", no_wrap=True, overflow="ellipsis")
        # three cells stay free: the terminal's echo of ^C would otherwise wrap, and the bar be wiped a line too low
        return Constrain(Group(row, facts) if far.facts else row, max(8, self._console.width - 3))

    def _speakable(self, text: str) -> str:
        return speakable(text, self._console.encoding)
