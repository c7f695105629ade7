"""Whether a trainer works on the run that a monitor watches: on this machine, or in a cluster."""

from __future__ import annotations

from loratui.events.history import History
from loratui.runs.silence import is_silent, may_begin
from loratui.runs.slurm import InSlurm, in_slurm
from loratui.runs.states import STATES, StateName
from loratui.screens.monitor.run_words import state_of, unstarted
from trainer.contract.paths import can_see
from trainer.contract.run.events import Event
from trainer.contract.run.lock import LockHolder, is_held, lock_holder
from trainer.contract.run.rundir import RunDir


class Liveness:
    """What the last look at the run's lock, or at its cluster, showed."""

    def __init__(self, run: RunDir) -> None:
        self._run = run
        self._was_queued = False
        self._cluster: InSlurm | None = None
        self.holder: LockHolder | None = None
        self.note = ""  # what keeps the run from its work

    def look(self, history: History) -> bool:
        """Whether a trainer works on it now."""
        run, self.holder = self._run, lock_holder(self._run.lock)
        self.note = "" if self.holder is None else self.holder.note
        self._cluster = in_slurm(run, history.end or history.run, wait=False) if self.holder is None else None
        if self.holder is not None:
            return True
        if self._cluster is not None:
            self.note = self._cluster.words if self._cluster.state == "queued" else ""
            return STATES[self._cluster.state].alive
        if can_see(run.queued):
            self._was_queued = True  # once its launch is known from its claim, no time is given
            return is_held(run.claim)
        if is_silent(run, _last(history)):
            return True
        if unstarted(run, history, alive=False) is not None:
            return False  # nothing that a launch leaves behind is there
        # between the launch and the lock lie the first moments of an interpreter, in which it says nothing
        unsaid = not history.run and history.end is None  # one that was refused has said so, without a `run`
        return unsaid and not self._was_queued and may_begin(run)

    @property
    def begins_in_slurm(self) -> bool:
        """Whether a job of a cluster begins, with no trainer yet that listens."""
        return self._cluster is not None and self._cluster.state == "starting"

    def state(self, history: History, alive: bool) -> StateName:
        """The run's state in one word."""
        if self._cluster is not None and self._cluster.state != "training":
            return self._cluster.state
        if alive and not self.note and is_silent(self._run, _last(history)):
            return "starting"  # begun again, perhaps from elsewhere: its log says so soon
        return unstarted(self._run, history, alive) or state_of(history, alive, self.note)


def _last(history: History) -> Event:
    """The newest `run` or `end` event."""
    return history.run if history.end is None else history.end
