"""The wait of a run whose disk takes no more: said wherever it can be, and over when there is room again."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import TypeVar

from trainer.contract.run.disk import is_full
from trainer.contract.run.events import EventLog

T = TypeVar("T")
Wait = Callable[[Callable[[], bool]], None]  # returns when what it is given says True; raises where it is told to end
AGAIN = 5.0  # seconds until what a full disk refused is tried again
WAITS = "waiting: the disk is full"
ADVICE = "free some space: training then goes on by itself; 'loratui stop' ends it with what is saved"
HELD = "free some space; the run stays paused until it is resumed; 'loratui stop' ends it with what is saved"


class NotSaved(RuntimeError):
    """The run was told to end while the disk was full: a sentence for what is missing and what is there."""

    def __init__(self, what: str, saved: int | None) -> None:
        """`saved`: the step of the newest checkpoint."""
        there = f"the checkpoint of step {saved} is whole" if saved else "no checkpoint was saved before"
        super().__init__(f"the disk is full: {what} could not be written; {there}")


def until_written(write: Callable[[], T], look: Wait) -> T:
    """What `write` returns; where the disk is full it is tried again while `look` waits, and hears what is asked.

    Raises what `look` raises, and an OSError of `write` that is none of a full disk.
    """
    again, written = 0.0, list[T]()

    def is_written() -> bool:
        nonlocal again
        if written or time.monotonic() < again:
            return bool(written)
        try:
            written.append(write())
        except OSError as error:
            if not is_full(error):
                raise
            again = time.monotonic() + AGAIN
        return bool(written)

    if not is_written():
        look(is_written)
    return written[0]


class FullDisk:
    """Whether what a run has to write can be written; says on the lock, in the log and on stderr when that changes."""

    def __init__(self, log: EventLog, note: Callable[[str], None]) -> None:
        """`note` puts words on the run's lock: where the log cannot tell, it does."""
        self._log, self._note = log, note
        self._waits = False

    def has_room(self, is_settled: Callable[[], bool], held: bool = False) -> bool:
        """Ask the log, and `is_settled` for all else that waits; both try again what was refused.

        `held`: a person paused the run, so that it waits on with room too.
        """
        found = self._log.has_room() and is_settled()
        if found == self._waits:
            self._waits = not found
            self._tell(held)
        return found

    def _tell(self, held: bool) -> None:
        self._note(WAITS if self._waits else "")
        then = "the run stays paused until it is resumed" if held else "training goes on"
        message = f"{WAITS}; nothing is lost" if self._waits else f"there is room on the disk again: {then}"
        advice = (HELD if held else ADVICE) if self._waits else "nothing needs to be done"
        self._log.emit("warn", code="disk-full" if self._waits else "disk-room", message=message, advice=advice)
        print(f"{message}; {advice}", file=sys.stderr, flush=True)
