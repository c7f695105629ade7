"""The queue as the commands speak of it: put in, list, order, take out, and start what has a free GPU."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from loratui.errors import Refusal
from loratui.runs.find import RUNS, RunInfo, find_run, find_runs, run_info
from loratui.runs.listing import WIDE, table_lines
from loratui.runs.slurm import has_job
from loratui.runs.states import run_word
from loratui.terminal.text import os_words, plural, safe_text, show_path
from loratui.terminal.units import clock
from trainer.contract.paths import can_see
from trainer.contract.run import exits, queue, trainer_start
from trainer.contract.run.devices import fits, is_busy, runs_in, visible_gpus
from trainer.contract.run.queue import QueueEntry, QueueError
from trainer.contract.run.rundir import RunDir

Say = Callable[[str], None]
LOOK = 1.0  # seconds between two looks of a program that waits for its run's turn


@dataclass(frozen=True)
class WaitingRun:
    """A run in the queue as a list shows it; `note` says why it will not start by itself, and is mostly empty."""

    entry: QueueEntry
    info: RunInfo
    place: int
    note: str = ""


def take_up(root: Path = RUNS, settle: bool = True) -> list[RunDir]:
    """Start what waits in `root` and has a free GPU: whoever looks at the runs does it. Never raises."""
    try:
        return [one.run for one in trainer_start.take_up(root, settle)]
    except (OSError, QueueError):
        return []  # a folder that cannot be written: the list says that it waits


def in_queue(root: Path = RUNS) -> list[WaitingRun]:
    """What waits in `root`, in its order."""
    entries = queue.waiting(root)
    gpus = visible_gpus() if entries else ()
    return [WaitingRun(one, run_info(one.run), place, _note(one, gpus)) for place, one in enumerate(entries, 1)]


def at_work(root: Path = RUNS) -> list[RunInfo]:
    """The runs of `root` that have a trainer now, the newest first."""
    return _alive(_taken(root))


def _taken(root: Path) -> list[RunInfo]:
    """The runs of `root` that have a trainer, or a job in a cluster that may have none yet."""
    # the locks first: a log is read only of these few, and this is asked for every second
    return [run_info(run) for run in runs_in(root) if queue.has_trainer(run) or has_job(run)]


def _alive(found: list[RunInfo]) -> list[RunInfo]:
    return sorted((one for one in found if one.alive), key=lambda one: one.started or time.time(), reverse=True)


def place_of(run: RunDir) -> int:
    """Which place `run` has in its queue: 1 starts next, 0 waits not."""
    runs = [one.run for one in queue.waiting(run.path.parent)]
    return runs.index(run) + 1 if run in runs else 0


def add(run: RunDir, gpus: int = 1, say: Say = print) -> int:
    """Put `run` into its folder's queue, and start it if nothing is before it; returns the exit code."""
    put_in(run, gpus)
    started = take_up(run.path.parent)
    if run in started:
        say("nothing trains before it: it has started")
        say(f"Watch it: loratui attach {run_word(run)}    Stop it: loratui stop {run_word(run)}")
    elif can_see(run.queued):
        place, count = place_of(run), len(queue.waiting(run.path.parent))
        say(f"queued: place {place} of {count}; it starts by itself when a GPU is free for it")
        say("Order and cancel: loratui queue --help")
    else:
        say(f"it could not start; why: {show_path(run.log)}")
        return exits.FAILED
    return exits.DONE


def put_in(run: RunDir, gpus: int = 1) -> None:
    """Put `run` into its folder's queue. Raises Refusal."""
    refuse_over(run_info(run))
    _changed(run, lambda: queue.enqueue(run, gpus))


def refuse_over(info: RunInfo) -> None:
    """Raise Refusal for a run that cannot wait for anything: it is completed, or a cluster has it."""
    shown = show_path(info.run.path)
    if info.state == "completed":
        raise Refusal(f"{shown} is completed; for a longer run replay its answers.toml with more steps")
    if info.slurm and (info.alive or info.state == "queued"):
        raise Refusal(f"{shown}: {info.slurm}; 'loratui stop' takes it out", exits.RUNNING)


def move(run: RunDir, place: int) -> None:
    """Give a waiting run another place. Raises Refusal."""
    _changed(run, lambda: queue.move(run, place))


def cancel(run: RunDir) -> None:
    """Take a waiting run out of the queue, here or in Slurm; its folder and answers stay. Raises Refusal."""
    if not can_see(run.queued) and run_info(run).slurm:
        from loratui.runs.slurm_submit import take_out

        take_out(run)
        return
    _changed(run, lambda: queue.cancel(run))


def find_waiting(text: str, root: Path = RUNS) -> RunDir:
    """The waiting run that `text` means: a folder, a folder's name, or a name. Raises Refusal."""
    named = [one for one in in_queue(root) if text in (one.entry.run.path.name, one.info.name)]
    if len(named) == 1:
        return named[0].entry.run
    if len(named) > 1:
        folders = ", ".join(safe_text(one.entry.run.path.name) for one in named)
        raise Refusal(f"{safe_text(text)}: several of that name wait: {folders}; give the folder's name")
    return find_run(text, root)


def queue_lines(root: Path = RUNS, width: int = WIDE) -> list[str]:
    """The queue as text in lines of `width` cells: what trains, then what waits."""
    trains, waits, slurm = what_waits_where(root)
    rows = [(safe_text(one.note) or one.state, steps_words(one), one) for one in trains]
    rows += [(f"{one.place}.", steps_words(one.info), one.info) for one in waits]
    rows += [("Slurm", one.slurm, one) for one in slurm]
    facts = [(f"{mark:<9}  {steps:>22}", info) for mark, steps, info in rows]
    lines = [line for one in table_lines(facts, width, 9) for line in one]
    lines += [f"! {safe_text(one.entry.run.path.name)}: {one.note}" for one in waits if one.note]
    return lines or [f"nothing trains and nothing waits in {show_path(root)}/"]


def what_waits_where(root: Path = RUNS) -> tuple[list[RunInfo], list[WaitingRun], list[RunInfo]]:
    """The runs of `root` that have a trainer, here or in a cluster; that wait for a place here; that wait in Slurm."""
    taken = _taken(root)
    trains = _alive(taken)
    alive = {one.run for one in trains}
    waits = [one for one in in_queue(root) if one.entry.run not in alive]
    return trains, waits, [one for one in taken if one.slurm and one.state == "queued"]


def trains_here(root: Path = RUNS) -> list[RunInfo]:
    """Those of them whose trainer takes memory and time of this machine."""
    return [one for one in at_work(root) if is_busy(one.run)]


def steps_words(info: RunInfo) -> str:
    """How far a run is and how long it still takes: "40/500, 12:30 left"."""

    words = f"{info.step}/{info.steps}"
    if not info.alive or not info.seconds_per_step:
        return words
    return f"{words}, {clock((info.steps - info.step) * info.seconds_per_step)} left"


def listed(root: Path = RUNS) -> list[tuple[str, RunInfo]]:
    """Every run with its state, as `loratui runs` lists them: what trains, what waits in its order, then the past."""
    places = {one.entry.run.path: one.place for one in in_queue(root)}
    found = find_runs(root)
    order = {True: 0, False: 2}

    def key(info: RunInfo) -> tuple[int, int]:
        place = places.get(info.run.path.absolute(), 0)
        return (1, place) if info.state == "queued" else (order[info.alive], 0)

    def words(info: RunInfo) -> str:
        if info.state == "queued":
            return info.slurm or f"queued {places.get(info.run.path.absolute(), '')}".rstrip()
        return safe_text(info.note) or info.state

    return [(words(one), one) for one in sorted(found, key=key)]


def goes_on(run: RunDir) -> str:
    """A sentence on what follows when `run` ends; empty if nothing waits."""
    words = safe_text(queue.goes_on_words(run).removeprefix("; then the "))
    return f" The {words}: see 'loratui queue'." if words else ""


class QueueTurn:
    """The wait of one run for its turn, as lines tell it; takes up the queue now and then."""

    def __init__(self, run: RunDir, say: Say) -> None:
        self._run, self._say = run, say
        self._looked = float("-inf")
        self._said = ""

    def comes(self) -> bool:
        """Whether the run waits for its turn or is on its way in, or trains where its lock is not seen from here."""
        info = run_info(self._run)
        state = info.state
        if state == "queued" and time.monotonic() - self._looked >= LOOK:
            self._looked = time.monotonic()
            take_up(self._run.path.parent, settle=False)
            words = info.slurm or waiting_words(self._run)
            if words != self._said:
                self._said = words
                self._say(f"waiting: {words}")
        return state in ("queued", "starting") or bool(info.slurm and info.alive)


def waiting_words(run: RunDir) -> str:
    """What a queued run waits for."""
    before = [one for one in trains_here(run.path.parent) if one.run.path.absolute() != run.path]
    place = place_of(run)
    ahead = f"; {safe_text(before[0].run.path.name)} trains now" if before else ""
    return f"place {place} in the queue{ahead}" if place else "not in the queue any more"


def cancelled_words(run: RunDir) -> str:
    """What is left of a cancelled run, and how it comes back."""
    shown = run_word(run)
    return f"out of the queue; its folder stays. Start it: loratui resume {shown}    Again: loratui queue add {shown}"


def _changed(run: RunDir, change: Callable[[], object]) -> None:
    try:
        change()
    except QueueError as error:
        raise Refusal(f"{show_path(run.path)}: {error}") from None
    except OSError as error:
        raise Refusal(f"the queue of {show_path(run.path.parent)} cannot be written: {os_words(error)}") from None


def _note(entry: QueueEntry, gpus: tuple[str, ...]) -> str:
    again = f"'loratui queue add {run_word(entry.run)}' tries again"
    if entry.trouble:
        return f"will not start: {safe_text(entry.trouble)}; {again}"
    if entry.stuck:
        return f"did not start in {plural(entry.tries, 'try', 'tries')}: see its trainer.log; {again}"
    if not fits(entry, gpus):
        return f"asks for {entry.gpus} GPUs, this machine shows {len(gpus)}"
    return ""
