"""One line in the monitor about the queue: what waits for this run's end, what went on after it; else not there."""

from __future__ import annotations

from dataclasses import dataclass

from textual import on, work
from textual.content import Content
from textual.message import Message
from textual.widgets import Static

from loratui.runs import queue as queueing
from loratui.terminal.text import safe_text
from trainer.contract.paths import can_see
from trainer.contract.run import queue
from trainer.contract.run.devices import runs_in
from trainer.contract.run.rundir import RunDir

LOOK = 2.0  # seconds between two looks: 30 ms of CPU at a hundred runs, in a thread
NAME = 40  # cells of a folder's name


@dataclass(frozen=True)
class QueueSeen:
    """The queue beside one run."""

    own: str = ""  # what this run waits for, if it waits
    waits: tuple[str, ...] = ()  # folders of the others that wait here
    in_slurm: int = 0  # how many others wait in a cluster
    trains: str = ""  # another run that trains now


class QueueLine(Static):
    """Looks at the queue of the folder in which `run` lies, and takes it up: whoever watches does."""

    DEFAULT_CSS = "QueueLine { display: none; height: 1; padding: 0 1; color: $muted; &.-shown { display: block; } }"

    class Looked(Message):
        """The queue was looked at."""

        def __init__(self, seen: QueueSeen) -> None:
            super().__init__()
            self.seen = seen

    def __init__(self, run: RunDir) -> None:
        super().__init__("", markup=False)
        self._run = run
        self._looking = False
        self.seen = QueueSeen()

    @property
    def has_something(self) -> bool:
        """Whether there is a queue to be shown."""
        return self.seen != QueueSeen()

    def on_mount(self) -> None:
        """Look now, then every second."""
        self._look()
        self.set_interval(LOOK, self._look)

    def _look(self) -> None:
        if not self._looking:
            self._looking = True
            self.look()

    @work(thread=True, group="queue")
    def look(self) -> None:
        """Start what has a free GPU, and read the folder: may ask nvidia-smi, and squeue."""
        root = self._run.path.parent
        # without the queue's lock file nothing was ever queued here
        if not can_see(root / queue.LOCK) and not any(can_see(one.slurm) for one in runs_in(root)):
            self.post_message(self.Looked(QueueSeen()))
            return
        queueing.take_up(root, settle=False)
        trains, waits, slurm = queueing.what_waits_where(root)
        mine = self._run.path.absolute()
        own = next((one.slurm for one in slurm if one.run.path.absolute() == mine), "")
        own = own or (queueing.waiting_words(self._run) if queueing.place_of(self._run) else "")
        here = tuple(one.entry.run.path.name for one in waits if one.entry.run.path != mine)
        there = sum(one.run.path.absolute() != mine for one in slurm)
        others = [one.run.path.name for one in trains if one.run.path.absolute() != mine]
        self.post_message(self.Looked(QueueSeen(own, here, there, others[0] if others else "")))

    @on(Looked)
    def _looked(self, event: Looked) -> None:
        self._looking = False
        if event.seen != self.seen:
            self.seen = event.seen
            self.update(_words(self.seen))
            self.set_class(self.has_something, "-shown")
            self.screen.refresh_bindings()


def _words(seen: QueueSeen) -> Content:
    if seen.own:
        return Content(f"○ {seen.own} · n shows the queue")
    parts = []
    if seen.trains:
        parts.append(f"{safe_text(seen.trains, NAME)} trains now")
    if seen.waits:
        count = len(seen.waits)
        parts.append(f"{count} {'waits' if count == 1 else 'wait'}, next is {safe_text(seen.waits[0], NAME)}")
    if seen.in_slurm:
        parts.append(f"{seen.in_slurm} {'waits' if seen.in_slurm == 1 else 'wait'} in Slurm")
    keys = "n, then Enter watches it" if seen.trains else "n shows the queue"
    return Content(f"○ {' · '.join(parts)} · {keys}")
