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
from typing import Any

from loratui.runs.find import resumable_steps
from loratui.runs.slurm import BEAT, SlurmEntry, beat, entry_of, job_state, write_entry
from loratui.runs.states import run_word
from trainer.contract.entries import remove
from trainer.contract.run import exits
from trainer.contract.run.control import send
from trainer.contract.run.events import EventLog, last_status
from trainer.contract.run.notify import addresses
from trainer.contract.run.program import signals_held
from trainer.contract.run.rundir import RunDir
from trainer.contract.run.trainer_start import ALONE, spawn, trainer_environment

LOOK = 0.2  # seconds between two looks at the trainer
PATIENCE = 60.0  # seconds that the trainer of the job's start before may take to be gone
SAY_AGAIN = 5.0  # seconds after which a command that several processes passed over, for they began, is sent once more
REQUEUE = 30.0  # seconds that scontrol may take
TELLING = 60.0  # seconds that may pass until the end is told to who asked for it
MOST_VAIN = 2  # times in a row that a run's time may be up before it has a newer checkpoint
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
    own = replace(job, job=os.environ["SLURM_JOB_ID"], since=time.time(), again=False, vain=_vain_so_far(run))
    had = _newest(run)
    write_entry(run, own)
    os.environ[ALONE] = "1"
    with signals_held(signal.SIGUSR1, signal.SIGUSR2):  # Slurm gives them to all processes: they would end a trainer
        child = spawn(run, own.gpus, folder=own.folder, patience=PATIENCE)
    code = _watch(run, own, child, sign)
    if sign.given and not _has_begun(run, own.since):
        _say_end(run, own.since, "stopped")  # a signal ended the trainer before it could
    if sign.given and _is_to_go_on(run) and job_state(own.job) == "RUNNING":
        code = _put_back(run, replace(own, vain=0 if _newest(run) > had else own.vain + 1), code)
    sys.exit(code if code >= 0 else exits.FAILED)


def _vain_so_far(run: RunDir) -> int:
    """What the same job counted before it was put back; a run that is handed in anew begins at 0."""
    entry = entry_of(run)
    return entry.vain if entry is not None and entry.job == os.environ["SLURM_JOB_ID"] else 0


def _newest(run: RunDir) -> int:
    return max(resumable_steps(run), default=0)


def _put_back(run: RunDir, own: SlurmEntry, code: int) -> int:
    """Let the job wait for its next turn, unless its turns come to nothing; returns the exit code."""
    with suppress(OSError):
        write_entry(run, replace(own, again=own.vain < MOST_VAIN))
    if own.vain >= MOST_VAIN:
        _fail(run, own.since)
        return exits.FAILED
    subprocess.run(["scontrol", "requeue", own.job], timeout=REQUEUE, check=False)
    return code


def _fail(run: RunDir, since: float) -> None:
    longer = f"loratui resume {run_word(run)} --slurm-option time=HOURS:MINUTES:SECONDS"
    message = f"Slurm's time for the job was up {MOST_VAIN} times in a row before there was a new checkpoint"
    _say_end(run, since, "failed", kind="exception", message=message, advice=[f"ask for more of it: {longer}"])


def _say_end(run: RunDir, since: float, status: str, **error: Any) -> None:
    """Say in the run's log how it ended, where its trainer is gone and cannot; and to who wants to be told."""
    with suppress(OSError):
        log, seconds = EventLog(run.events), round(max(0.0, time.time() - since), 1)
        if error:
            log.emit("error", **error)
        log.emit("end", status=status, step=_newest(run) or None, seconds=seconds, files=[])
        log.close()
        if addresses():
            command = [sys.executable, "-m", "trainer.ground.notice", str(run.path)]
            with suppress(subprocess.TimeoutExpired):
                subprocess.run(command, env=trainer_environment(), timeout=TELLING, check=False)


def tidy(run: RunDir) -> None:
    """Take out the link that submitit leaves beside its files: a run with links in its folder is refused."""
    with suppress(OSError):
        for one in run.slurm_files.iterdir():
            if one.is_symlink():
                remove(one, run.path)


def _watch(run: RunDir, own: SlurmEntry, child: subprocess.Popen[bytes], sign: _Sign) -> int:
    """Wait for the end of the trainer, giving signs of life; tells it to save and end where Slurm wants the place."""
    told, beaten, said = False, time.monotonic(), 0.0
    while child.poll() is None:
        if sign.given and not told:
            told = True
            entry = entry_of(run)
            with suppress(OSError):  # a full disk: it is saved all the same, if that can be
                if entry is None or entry.job == own.job:  # else a person has just taken it out
                    write_entry(run, replace(own, again=True))
            if own.gpus <= 1:
                with suppress(ProcessLookupError):
                    os.kill(child.pid, signal.SIGTERM)
        if told and own.gpus > 1 and time.monotonic() - said >= SAY_AGAIN:
            said = time.monotonic()
            with suppress(OSError):  # a signal is none: the launcher of several processes would kill them
                if not any(run.control.glob("*-stop.json")):
                    send(run, "stop")
        if time.monotonic() - beaten >= BEAT:
            beaten = time.monotonic()
            with suppress(OSError):
                beat(run)
        time.sleep(LOOK)
    return child.returncode


def _has_begun(run: RunDir, since: float) -> bool:
    last = last_status(run.events)
    return last is not None and last["t"] >= since


def _is_to_go_on(run: RunDir) -> bool:
    """Whether the run was interrupted: it was stopped, or killed before it could say so."""
    last = last_status(run.events)
    return last is None or last["type"] == "run" or last.get("status") == "stopped"
