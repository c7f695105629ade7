"""Runs that a Slurm cluster has: which job, and what becomes of it; read from the run's folder, and asked of squeue."""

from __future__ import annotations

import json
import os
import re
import subprocess
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from trainer.contract.documents.files import read_json
from trainer.contract.entries import write_atomic
from trainer.contract.run.lock import is_held
from trainer.contract.run.rundir import RunDir

LOOK = 4.0  # seconds for which an answer of squeue holds: its controller is everybody's
SOONEST = 1.0  # the same of one that is older than what it is asked about: the job was handed in or began since
UNANSWERED = 20.0  # seconds until it is asked again, where it gave none
PATIENCE = 10.0  # seconds that it may take
BEAT = 20.0  # seconds between two signs of life of a job, in its run's folder
SILENCE = 90.0  # seconds without one after which a job is taken for dead, where squeue cannot be asked
NO_JOB = "0"  # in an entry: it was taken out, and goes back in the same options
WAITS = ("PENDING", "REQUEUED", "REQUEUE_HOLD", "REQUEUE_FED", "RESV_DEL_HOLD", "SPECIAL_EXIT", "CONFIGURING")


@dataclass(frozen=True)
class SlurmEntry:
    """The job that a run was given to, as slurm.json says it."""

    job: str
    since: float  # unix seconds: when it was submitted, or when the job last began
    gpus: int = 1
    options: tuple[tuple[str, str], ...] = ()  # of sbatch, as the person gave them
    folder: str = ""  # where relative paths of its settings start
    again: bool = False  # the job ends the trainer to be put back into the queue
    seen: float = 0.0  # unix seconds of the job's last sign of life
    user: int = 0  # whose job it is, by number
    vain: int = 0  # times in a row that the job went back into the queue without a checkpoint newer than before


@dataclass(frozen=True)
class InSlurm:
    """What Slurm does with a run now."""

    job: str
    state: Literal["queued", "starting", "training", "crashed"]
    why: str = ""  # why it waits, as Slurm says it: not trusted

    @property
    def words(self) -> str:
        """Which job, and what it waits for: "job 12 waits in Slurm: Resources"."""
        if self.state != "queued":
            return f"job {self.job} of Slurm"
        return f"job {self.job} waits in Slurm{f': {self.why}' if self.why else ''}"


def entry_of(run: RunDir) -> SlurmEntry | None:
    """The job that `run` was given to; None where it never was, or where that cannot be read."""
    found = read_json(run.slurm, dict, root=run.path)
    words: dict[str, Any] = found.value or {}
    job, since, gpus, options = (words.get(name) for name in ("job", "since", "gpus", "options"))
    if not isinstance(job, str) or not re.fullmatch(r"[0-9]{1,18}", job) or not isinstance(since, int | float):
        return None
    try:
        status = run.slurm.lstat()
    except OSError:
        return None
    told = options if isinstance(options, dict) else {}
    vain = words.get("vain")
    return SlurmEntry(
        job,
        float(since),
        gpus if isinstance(gpus, int) and gpus > 0 else 1,
        tuple((key, value) for key, value in told.items() if isinstance(value, str)),
        str(words.get("folder", "")),
        words.get("again") is True,
        status.st_mtime,
        status.st_uid,
        vain if isinstance(vain, int) and vain > 0 else 0,
    )


def write_entry(run: RunDir, entry: SlurmEntry) -> None:
    """Say in the run's folder which job has it. Raises OSError."""
    words = {"job": entry.job, "since": entry.since, "gpus": entry.gpus, "options": dict(entry.options)}
    words |= {"folder": entry.folder, "again": entry.again, "vain": entry.vain}
    write_atomic(run.slurm, json.dumps(words), 0o600, root=run.path)


def in_slurm(run: RunDir, last: dict[str, Any] | None, wait: bool = True) -> InSlurm | None:
    """What Slurm does with `run`, whose lock is free; None where it is done with it, or never had it.

    `last`: the last `run` or `end` event. Where the lock of a trainer on another machine is not seen here, this is
    what tells that it lives. Without `wait` squeue is asked in a thread and its last answer counts.
    """
    entry = entry_of(run)
    if entry is None or entry.job == NO_JOB:
        return None
    told = (last or {}).get("t")
    begun = last is not None and isinstance(told, int | float) and told >= entry.since
    ended = begun and last is not None and last.get("type") == "end"
    if ended and last is not None and not (entry.again and last.get("status") == "stopped"):
        return None
    if not begun and is_held(run.claim):
        return InSlurm(entry.job, "starting")  # its trainer is on its way in: squeue may have been asked before that
    answer = _squeue.answer(entry, wait)
    if answer is None:
        return _by_its_signs(entry, begun, ended)
    state, why = answer.get(entry.job, ("", ""))
    if not state and time.time() - entry.since < 2 * LOOK:
        return InSlurm(entry.job, "queued")  # the answer may be older than the job
    if not state:  # what was cancelled before it began is as it was before
        return InSlurm(entry.job, "crashed") if not begun and job_log(run, entry.job) is not None else None
    if state in WAITS or ended:
        return InSlurm(entry.job, "queued", why if why != "None" else "")
    return InSlurm(entry.job, "training" if begun else "starting")


def job_log(run: RunDir, job: str) -> Path | None:
    """What Slurm and submitit said of a job that began: its stderr; None where it never did."""
    return next(iter(sorted(run.slurm_files.glob(f"{job}_*_log.err"))), None)


def has_job(run: RunDir) -> bool:
    """Whether a job of the run waits or works, by a look at one small file of it; in doubt no."""
    entry = entry_of(run)
    if entry is None or entry.job == NO_JOB:
        return False
    answer = _squeue.answer(entry, wait=True)
    return time.time() - entry.seen < SILENCE if answer is None else entry.job in answer


def _by_its_signs(entry: SlurmEntry, begun: bool, ended: bool) -> InSlurm | None:
    """Where squeue does not answer, as on a machine without Slurm: what the folder alone tells."""
    silent = time.time() - entry.seen > SILENCE
    if ended or not begun:
        return InSlurm(entry.job, "queued")
    return None if silent else InSlurm(entry.job, "training")


def job_state(job: str) -> str:
    """The state of one job as squeue words it; empty where it is over, or where nobody answers."""
    return (_ask(["--jobs", job]) or {}).get(job, ("", ""))[0]


class _Squeue:
    """The last answer of squeue for each user: many runs are looked at together, each second."""

    def __init__(self) -> None:
        self._told: dict[int, tuple[float, dict[str, tuple[str, str]] | None]] = {}
        self._asking: set[int] = set()

    def answer(self, entry: SlurmEntry, wait: bool) -> dict[str, tuple[str, str]] | None:
        """State and reason of each job of the entry's user that is not over; None where nobody can be asked."""
        at, told = self._told.get(entry.user, (float("-inf"), None))
        age = time.monotonic() - at
        is_old = told is not None and time.time() - age < entry.since
        if age < (SOONEST if is_old else UNANSWERED if told is None else LOOK):
            return told
        if wait:
            self._renew(entry.user)
        elif entry.user not in self._asking:
            self._asking.add(entry.user)
            threading.Thread(target=self._renew, args=(entry.user,), daemon=True).start()
        return self._told.get(entry.user, (0.0, None))[1]

    def forget(self) -> None:
        """A job was submitted or taken out: the next look asks anew."""
        self._told.clear()

    def _renew(self, user: int) -> None:
        try:
            self._told[user] = time.monotonic(), _ask([f"--user={user}"])
        finally:
            self._asking.discard(user)


_squeue = _Squeue()
forget = _squeue.forget


def _ask(words: list[str]) -> dict[str, tuple[str, str]] | None:
    command = ["squeue", "--noheader", "--format=%i|%T|%r", *words]
    plain = {name: one for name, one in os.environ.items() if not name.startswith("SQUEUE_")}  # a person's own filters
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False, env=plain)
    except (OSError, subprocess.TimeoutExpired, ValueError):
        return None
    if done.returncode:
        return {} if "Invalid job id" in done.stderr else None
    rows = (line.split("|", 2) for line in done.stdout.splitlines())
    return {row[0]: (row[1], row[2]) for row in rows if len(row) == 3}


def beat(run: RunDir) -> None:
    """A sign of life of the job, in the clock of the folder's own server. Raises OSError."""
    os.utime(run.slurm)
