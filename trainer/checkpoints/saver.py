"""Writes checkpoints beside the training: the loop waits for the copy off the live tensors, never for the disk."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor

from trainer.checkpoints.snapshot import Snapshot, drop_old, save_checkpoint
from trainer.contract.run.events import EventLog, SilentLog
from trainer.contract.run.rundir import RunDir


class Saver:
    """One thread that writes one checkpoint after the other, and says in the log how each of them went."""

    def __init__(self, run: RunDir, log: EventLog | SilentLog, keep: int) -> None:
        self._run, self._log, self._keep = run, log, keep
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="checkpoint")
        self._last: Future[bool] | None = None

    def save(self, snapshot: Snapshot) -> None:
        """Begin to write; waits only if the one before is not written yet, so that never more than one is held."""
        self.wait()
        self._last = self._thread.submit(self._write, snapshot)

    def wait(self) -> bool:
        """Wait until what was begun is durable; returns whether it is."""
        return self._last.result() if self._last is not None else True

    def _write(self, snapshot: Snapshot) -> bool:
        self._log.emit("phase", name="save", done=0, total=1)
        try:
            path, size = save_checkpoint(self._run, snapshot)
        except OSError as error:
            message = f"the checkpoint of step {snapshot.step} could not be written: {error.strerror}"
            advice = "the one before it is kept and training goes on; free some space, then 'loratui save'"
            self._log.emit("warn", code="checkpoint-failed", message=message, advice=advice)
            return False
        drop_old(self._run, self._keep, snapshot.step)
        self._log.emit("checkpoint", step=snapshot.step, path=f"checkpoints/{path.name}", bytes=size)
        self._log.emit("phase", name="save", done=1, total=1)
        return True
