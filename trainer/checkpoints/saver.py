"""Writes checkpoints beside the training: the loop waits for the copy off the live tensors, never for the disk."""

from __future__ import annotations

import contextlib
import os
import time
from concurrent.futures import Future, ThreadPoolExecutor

from trainer.checkpoints.snapshot import Snapshot, drop_old, save_checkpoint, snapshot_bytes
from trainer.contract.paths import os_words
from trainer.contract.run.disk import is_full
from trainer.contract.run.events import EventLog, SilentLog
from trainer.contract.run.rundir import RunDir

FIRST_WAIT, LONGEST_WAIT = 1.0, 30.0  # seconds until the disk is asked again for what it refused


class Saver:
    """One thread that writes one checkpoint after the other, and says in the log how each of them went.

    What a full disk refuses is kept in memory: `is_settled` tries again.
    """

    def __init__(self, run: RunDir, log: EventLog | SilentLog, keep: int) -> None:
        self._run, self._log, self._keep = run, log, keep
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="checkpoint")
        self._last: Future[bool] | None = None
        self.refused: Snapshot | None = None  # what the disk had no room for
        self._again, self._wait = 0.0, FIRST_WAIT

    def save(self, snapshot: Snapshot) -> None:
        """Begin to write; waits only if the one before is not written yet, so that never more than one is held."""
        self.wait()
        self.refused = None
        self._last = self._thread.submit(self._write, snapshot)

    def wait(self) -> bool:
        """Wait until what was begun is durable; returns whether it is."""
        return self._last.result() if self._last is not None else True

    def is_settled(self) -> bool:
        """Whether nothing waits for room: what the disk refused is written now, if there is room by now."""
        if self._last is not None and not self._last.done():
            return True  # it is being written
        snapshot, now = self.refused, time.monotonic()
        if snapshot is None:
            return True
        if now < self._again or not _may_fit(self._run, snapshot):
            return False
        self._wait = min(2 * self._wait, LONGEST_WAIT)
        self._again = now + self._wait
        self.refused = None
        self._last = self._thread.submit(self._write, snapshot)
        return self.wait()

    def _write(self, snapshot: Snapshot) -> bool:
        self._log.emit("phase", name="save", done=0, total=1)
        try:
            path, size = save_checkpoint(self._run, snapshot)
        except OSError as error:
            message = f"the checkpoint of step {snapshot.step} could not be written: {os_words(error)}"
            if is_full(error):
                self.refused = snapshot
                advice = "it is kept in memory and written when there is room; the one before it is on disk"
            else:
                advice = "the one before it is kept and training goes on; free some space, then 'loratui save'"
            if self._wait == FIRST_WAIT or not is_full(error):  # said once
                self._log.emit("warn", code="checkpoint-failed", message=message, advice=advice)
            return False
        self._wait = FIRST_WAIT
        with contextlib.suppress(OSError):  # the new one is durable: what of the old ones stays is only room
            drop_old(self._run, self._keep, snapshot.step)
        self._log.emit("checkpoint", step=snapshot.step, path=f"checkpoints/{path.name}", bytes=size)
        self._log.emit("phase", name="save", done=1, total=1)
        return True


def _may_fit(run: RunDir, snapshot: Snapshot) -> bool:
    """Whether so much is free as far as the system knows: a quota is found out only by writing."""
    try:
        disk = os.statvfs(run.path)
    except OSError:
        return False
    return disk.f_bavail * disk.f_frsize >= snapshot_bytes(snapshot)
