"""What a job of Slurm does on its node: trains the run, and on a sign that it must go saves it and waits for its turn.

submitit calls `train` in the job. Slurm's sign is SIGTERM where another job takes the place, or where somebody requeues
or cancels it, and SIGUSR1 two minutes before the time is up.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from types import FrameType

from loratui.runs.slurm import BEAT, SlurmEntry, beat, job_state, write_entry
from trainer.contract.entries import remove
from trainer.contract.run import exits
from trainer.contract.run.control import send
from trainer.contract.run.events import last_status
from trainer.contract.run.rundir import RunDir
from trainer.contract.run.trainer_start import ALONE, spawn

LOOK = 0.2  # seconds between two looks at the trainer
PATIENCE = 60.0  # seconds that the trainer of the job's start before may take to be gone
REQUEUE = 30.0  # seconds that scontrol may take
SIGNS = (signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2)


class _Sign:
    """Whether Slurm gave a sign that the job must go."""

    def __init__(self) -> None:
        self.given = False
        for number in SIGNS:
            signal.signal(number, self._take)

    def _take(self, _number: int, _frame: FrameType | None) -> None:
        self.given = True


def train(folder: str, job: SlurmEntry) -> None:
    """Train the run in `folder` to its end, or until Slurm wants the place. Ends the process with the exit code."""
    sign, run = _Sign(), RunDir(Path(folder))
    tidy(run)
    if (last_status(run.events) or {}).get("status") == "completed":
        return  # it was put back into the queue when it was over
    own = replace(job, job=os.environ["SLURM_JOB_ID"], since=time.time(), again=False)
    write_entry(run, own)
    os.environ[ALONE] = "1"
    child = spawn(run, own.gpus, folder=own.folder, patience=PATIENCE)
    code = _watch(run, own, child, sign)
    if sign.given and _is_to_go_on(run, own.since) and job_state(own.job) == "RUNNING":
        subprocess.run(["scontrol", "requeue", own.job], timeout=REQUEUE, check=False)
    sys.exit(code if code >= 0 else exits.FAILED)


def tidy(run: RunDir) -> None:
    """Take out the link that submitit leaves beside its files: a run with links in its folder is refused."""
    with suppress(OSError):
        for one in run.slurm_files.iterdir():
            if one.is_symlink():
                remove(one, run.path)


def _watch(run: RunDir, own: SlurmEntry, child: subprocess.Popen[bytes], sign: _Sign) -> int:
    """Wait for the end of the trainer, giving signs of life; tells it to save and end where Slurm wants the place."""
    told, beaten = False, time.monotonic()
    while child.poll() is None:
        if sign.given and not told:
            told = True
            with suppress(OSError):  # a full disk: it is saved all the same, if that can be
                write_entry(run, replace(own, again=True))
            _stop(run, own, child)
        if time.monotonic() - beaten >= BEAT:
            beaten = time.monotonic()
            with suppress(OSError):
                beat(run)
        time.sleep(LOOK)
    return child.returncode


def _stop(run: RunDir, own: SlurmEntry, child: subprocess.Popen[bytes]) -> None:
    if own.gpus <= 1:
        with suppress(ProcessLookupError):
            os.kill(child.pid, signal.SIGTERM)
        return
    with suppress(OSError):  # the launcher of several processes would kill them
        send(run, "stop")


def _is_to_go_on(run: RunDir, since: float) -> bool:
    """Whether the run was interrupted: it was stopped, or killed before it could say so, or before it began."""
    last = last_status(run.events)
    return last is None or last["t"] < since or last["type"] == "run" or last.get("status") == "stopped"
