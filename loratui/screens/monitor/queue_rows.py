"""The rows of the queue's screen: which runs they are, and the words of each for the room that there is."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from textual.content import Content

from loratui.runs import queue as queueing
from loratui.runs.find import RunInfo
from loratui.runs.queue import WaitingRun
from loratui.runs.states import STATES, state_words
from loratui.terminal.text import plural, safe_text, show_path
from loratui.terminal.units import clock
from loratui.widgets.progress import progress_bar
from trainer.contract.run.rundir import RunDir

NOTHING = """Nothing trains here and nothing waits. While a run trains, F2 at the end of the
wizard queues another; without a screen: loratui replay ANSWERS --queue"""


@dataclass(frozen=True)
class QueueRow:
    """One run of the list: it trains, or it waits."""

    info: RunInfo
    waits: WaitingRun | None = None

    @property
    def run(self) -> RunDir:
        """The run, by its whole path."""
        return RunDir(self.info.run.path.absolute())

    @property
    def place(self) -> int:
        """1 starts next here; 0 trains, or waits in Slurm."""
        return self.waits.place if self.waits else 0

    @property
    def in_slurm(self) -> bool:
        """Whether it waits for its turn in a cluster, which has its own order."""
        return self.waits is None and self.info.state == "queued"

    @property
    def note(self) -> str:
        """Why it does not start by itself; mostly empty."""
        return self.waits.note if self.waits else ""

    @property
    def stuck(self) -> bool:
        """Whether it was tried too often."""
        return self.waits is not None and self.waits.entry.stuck


def rows_of(root: Path) -> list[QueueRow]:
    """What trains in `root`, then what waits here, in its order, then what waits in Slurm."""
    trains, waits, slurm = queueing.what_waits_where(root)
    return [*map(QueueRow, trains), *(QueueRow(one.info, one) for one in waits), *map(QueueRow, slurm)]


def row_line(row: QueueRow, width: int) -> Content:
    """Mark, name, how far, folder: in columns that fit 76 cells."""
    info = row.info
    mark, style = state_words(info.state), STATES[info.state].style
    if row.place:
        mark, style = (f"! {row.place}.", "$text-warning") if row.note else (f"○ {row.place}.", "$muted")
    far = f"{info.step} of {info.steps}" if info.step else plural(info.steps, "step")
    seconds = max(0, info.steps - info.step) * (info.seconds_per_step or 0.0)
    left = f" · {clock(seconds)} left" if info.alive and seconds else ""
    folder = safe_text(info.run.path.name, max(10, width - 54))
    return Content.assemble(
        (f"{mark:<11} ", f"bold {style}"),
        (f"{safe_text(info.name, 16):<17}", "bold"),
        f"{far + left:<24} ",
        (folder, "$muted"),
    )


def row_more(row: QueueRow | None, width: int) -> Content:
    """The run under the cursor: its bar or what it waits for, and its folder."""
    if row is None:
        return Content(NOTHING)
    info = row.info
    lines = [Content(show_path(info.run.path))]
    if not row.place:
        lines.append(Content(info.slurm) if row.in_slurm else progress_bar(info.step, info.steps, max(10, width)))
    elif row.note or row.waits is None:
        lines.append(Content.styled(f"! {row.note}", "$text-warning"))
    else:
        before = f"{plural(row.place - 1, 'run')} before it"
        turn = "starts as soon as a GPU is free for it" if row.place == 1 else before
        queued = row.waits.entry.since
        since = f" · queued at {time.strftime('%H:%M', time.localtime(queued))}" if queued else ""
        lines.append(Content(turn + since))
        if info.step:
            lines.append(Content(f"resumes from its newest checkpoint (it had reached step {info.step})"))
    return Content("\n").join(lines)
