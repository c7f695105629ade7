"""The queue of a folder of runs: which runs wait there, in which order; a file in each, changed one at a time."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from trainer.contract.documents.files import read_json
from trainer.contract.documents.regular import open_regular
from trainer.contract.entries import open_file, remove, write_atomic
from trainer.contract.paths import can_see, is_folder
from trainer.contract.run.lock import is_held, take
from trainer.contract.run.rundir import RunDir

LOCK = ".queue.lock"  # in the folder of the runs; made by the first run that is queued there
PATIENCE = 500  # looks of 20 ms at a lock that is only ever held for moments
MOST_TRIES = 3  # launches of an entry that ended before the run did anything
LARGEST = 1 << 53  # of a count in an entry
CLOSEST = 1e-6  # two places nearer than this get new numbers


class QueueError(RuntimeError):
    """The queue cannot be changed as asked: a sentence that says why."""


@dataclass(frozen=True)
class QueueEntry:
    """A run that waits. Its entry lies in its own folder: a run that is moved or removed takes it along."""

    run: RunDir
    place: float  # the lower, the sooner; only their order means something
    gpus: int
    since: float  # unix seconds
    folder: str  # where it was queued: relative paths of its settings start there
    tries: int = 0  # launches so far; more than one only where they ended before the run began
    offset: int = 0  # bytes in events.jsonl when it was queued: a `run` event behind them means that it was started
    trouble: str = ""  # why the entry cannot be read; the rest is made up then

    @property
    def stuck(self) -> bool:
        """Whether it is left alone from now on: it was launched often enough and never began, or cannot be read."""
        return self.tries >= MOST_TRIES or bool(self.trouble)


def waiting(root: Path) -> list[QueueEntry]:
    """The runs of `root` that wait for their turn, in their order; what is on its way in waits no longer."""
    return [one for one in entries(root) if not has_trainer(one.run)]


def entries(root: Path) -> list[QueueEntry]:
    """Every entry in `root`, in order. Reads without a lock: each is whole or absent."""
    try:
        if not can_see(root / LOCK):
            return []
        folders = [Path(one.path) for one in os.scandir(root) if one.is_dir()]
    except OSError:
        return []
    found = [entry for folder in folders if (entry := entry_of(RunDir(folder.absolute()))) is not None]
    return sorted(found, key=lambda one: (one.place, one.since, one.run.path.name))


def entry_of(run: RunDir) -> QueueEntry | None:
    """The entry of a run, or None if it does not wait.

    A damaged entry waits last, says why in `trouble`, and is neither dropped nor started.
    """
    found = read_json(run.queued, dict, root=run.path)
    if found.absent:
        return None
    words, trouble = found.value or {}, found.reason
    place, since, folder = (words.get(name) for name in ("place", "since", "folder"))
    gpus, tries, offset = (words.get(name, 0) for name in ("gpus", "tries", "offset"))
    is_placed = isinstance(place, int | float) and isinstance(since, int | float) and abs(place) <= LARGEST
    if is_placed and isinstance(folder, str) and all(map(_is_count, (gpus, tries, offset))):
        return QueueEntry(run, float(place or 0), max(1, gpus), float(since or 0), folder, tries, offset)
    said = f"{run.queued.name}: {trouble or 'it holds other things than an entry of the queue'}"
    return QueueEntry(run, float("inf"), 1, 0.0, str(run.path.parent), trouble=said)


def _is_count(value: object) -> bool:
    return type(value) is int and 0 <= value <= LARGEST


def has_trainer(run: RunDir) -> bool:
    """Whether a trainer works on `run`, or is on its way in or out."""
    return is_held(run.lock) or is_held(run.claim)


def enqueue(run: RunDir, gpus: int = 1) -> QueueEntry:
    """Put `run` at the end of its folder's queue; one that is stuck there gets its tries anew.

    Raises QueueError if it waits or runs already; OSError.
    """
    root = run.path.parent
    with locked(root):
        earlier = entry_of(run)
        if earlier is not None and not earlier.stuck:
            raise QueueError("it waits in the queue already")
        if has_trainer(run):
            raise QueueError("it runs already")
        last = max((one.place for one in entries(root) if one.place != float("inf")), default=0.0)
        size = run.events.stat().st_size if can_see(run.events) else 0
        entry = QueueEntry(run, last + 1.0, gpus, round(time.time(), 3), str(Path.cwd()), 0, size)
        write(entry)
    return entry


def move(run: RunDir, place: int) -> list[QueueEntry]:
    """Put a waiting run at `place` (1 is the next to start; beyond the end: the last). Returns the new order.

    One file is replaced, so a kill leaves the old order or the new one. Raises QueueError if it does not wait.
    """
    root = run.path.parent
    with locked(root):
        _refuse_unless_waiting(run)
        others = [one for one in waiting(root) if one.run != run]
        own = entry_of(run)
        assert own is not None
        at = max(0, min(place - 1, len(others)))
        before = others[at - 1].place if at else None
        after = others[at].place if at < len(others) else None
        if float("inf") in (before, after) or (before is not None and after is not None and after - before < CLOSEST):
            others = _renumbered(others)
            before = others[at - 1].place if at else None
            after = others[at].place if at < len(others) else None
        write(replace(own, place=_between(before, after), trouble=""))
        return waiting(root)


def cancel(run: RunDir) -> None:
    """Take a run out of the queue; its folder stays as it is. Raises QueueError if it does not wait, or starts now."""
    with locked(run.path.parent):
        _refuse_unless_waiting(run)
        drop(run)


def drop(run: RunDir) -> None:
    """Remove the entry, whatever stands in its place, but no folder that holds something. Raises OSError."""
    remove(run.queued)


def leave(run: RunDir) -> None:
    """The trainer's word that `run` has begun (or never will): it waits no longer. Never raises."""
    with suppress(OSError):
        if os.path.lexists(run.queued):
            # the lock keeps a move from putting the entry back; a lock that cannot be had keeps nothing
            with suppress(QueueError, OSError), locked(run.path.parent):
                drop(run)
            drop(run)


def goes_on_words(run: RunDir) -> str:
    """What follows when `run` ends: "; then the queue goes on with NAME", or nothing."""
    others = [one.run.path.name for one in waiting(run.path.parent) if one.run != run and not one.stuck]
    return f"; then the queue goes on with {others[0]}" if others else ""


def has_begun(entry: QueueEntry) -> bool:
    """Whether a trainer logged its start since the run was queued: killed right after that, it is not started twice."""
    try:
        with os.fdopen(open_regular(entry.run.events, entry.run.path), "rb") as file:
            file.seek(entry.offset)
            return b'"type":"run"' in file.read(1 << 16)
    except OSError:
        return False


def write(entry: QueueEntry) -> None:
    """Replace the entry's file; the caller holds the queue's lock."""
    if is_folder(entry.run.queued) and not entry.run.queued.is_symlink():
        drop(entry.run)
    words = {"place": entry.place, "gpus": entry.gpus, "since": entry.since, "folder": entry.folder}
    write_atomic(entry.run.queued, json.dumps({**words, "tries": entry.tries, "offset": entry.offset}))


@contextmanager
def locked(root: Path) -> Iterator[None]:
    """Alone with the queue of `root`; the kernel frees the lock of a process that dies. Raises QueueError, OSError."""
    descriptor = open_file(root / LOCK, os.O_RDWR | os.O_CREAT)
    try:
        if not take(descriptor, PATIENCE):
            raise QueueError(f"another process holds {LOCK} of this folder; try again")
        yield
    finally:
        os.close(descriptor)


def _refuse_unless_waiting(run: RunDir) -> None:
    if not os.path.lexists(run.queued):
        raise QueueError("it does not wait in the queue")
    if has_trainer(run):
        raise QueueError("it is being started")


def _between(before: float | None, after: float | None) -> float:
    if before is None:
        return 1.0 if after is None else after - 1.0
    return before + 1.0 if after is None else (before + after) / 2


def _renumbered(old: list[QueueEntry]) -> list[QueueEntry]:
    """The same order on whole numbers beyond all that are taken, written from the last to the first.

    So the order holds after every single write.
    """
    top = max((one.place for one in old if one.place != float("inf")), default=0.0) // 1
    fresh = [replace(one, place=top + number) for number, one in enumerate(old, 1)]
    for one in reversed(fresh):
        with suppress(OSError) if one.trouble else nullcontext():  # what cannot be mended stays last
            write(one)
    return fresh
