"""Failed system calls: strace makes the n-th call of an operation fail, or kills there; old or new is there, whole."""

from __future__ import annotations

import contextlib
import importlib
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from tests.faults import forks, runs
from tests.faults.operations import OPERATIONS, Operation
from tests.faults.tally import Tally
from trainer.contract.entries import sweep

PROMISE = "the old or the new is there, whole; what is said to be done is; no traceback, no stray, no hang"
CALLS = {
    "write": "write,pwrite64,writev,sendfile,copy_file_range",
    "open": "openat,open",
    "fsync": "fsync,fdatasync",
    "rename": "rename,renameat,renameat2",
    "mkdir": "mkdir,mkdirat",
    "unlink": "unlink,unlinkat,rmdir",
    "link": "link,linkat",
    "chmod": "chmod,fchmod,fchmodat",
    "flock": "flock",
    "stat": "newfstatat,stat,lstat,fstat,statx",
}
FAULTS = {"ENOSPC": "error=ENOSPC", "EIO": "error=EIO", "EACCES": "error=EACCES", "kill": "signal=KILL"}
# a full disk says so where something is made; looking and locking fail in other ways
MADE = ("write", "open", "fsync", "rename", "mkdir", "link")
LAST = {"open": 1, "stat": 2}  # the many that change nothing: a campaign that is cut short has done the others
NEVER = {("flock", "kill"), ("stat", "kill"), ("chmod", "ENOSPC"), ("unlink", "ENOSPC")}
PATIENCE = 10.0  # seconds until strace has hold of a process, or has let go of it


@dataclass(frozen=True)
class Fault:
    """The n-th call of a kind, counted from 1, and what becomes of it."""

    calls: str
    fault: str
    at: int


def missing() -> str:
    """Why no call can be made to fail here; empty if it can."""
    if shutil.which("strace") is None:
        return "strace is not installed"
    tried = subprocess.run(["strace", "-o", os.devnull, "true"], capture_output=True, text=True)
    return "" if tried.returncode == 0 else f"strace may not trace here: {tried.stderr.strip()[:80]}"


def kinds() -> list[tuple[str, str]]:
    """Every kind of call with each fault that makes sense for it."""
    return [
        (calls, fault)
        for calls in CALLS
        for fault in FAULTS
        if (calls, fault) not in NEVER and (fault != "ENOSPC" or calls in MADE)
    ]


def campaign(place: Path, rng: random.Random) -> Iterator[Tally]:
    """Every call of every operation, what writes before what looks; yields the tally after each. It ends."""
    tally = Tally("failed system calls", PROMISE)
    place.mkdir(parents=True, exist_ok=True)
    for operation in OPERATIONS:
        _import_for(operation, place)
    jobs = [(operation, calls, fault) for operation in OPERATIONS for calls, fault in kinds()]
    rng.shuffle(jobs)
    jobs.sort(key=lambda job: LAST.get(job[1], 0))
    for operation, calls, fault in jobs:
        for at in count(1):
            reached, end, problems = strike(operation, Fault(calls, fault, at), place)
            if not reached:
                break
            tally.add(operation.name, end, [f"{calls} {fault} at {at}: {one}" for one in problems])
            yield tally


def sampled(place: Path, rng: random.Random) -> Iterator[Tally]:
    """For ever: one operation, one kind of call, one place, each by chance."""
    tally = Tally("failed system calls", PROMISE)
    place.mkdir(parents=True, exist_ok=True)
    met = set[Operation]()
    reach: dict[tuple[str, str], int] = {}  # the first place that lies beyond the operation's end
    while True:
        operation, (calls, fault) = rng.choice(OPERATIONS), rng.choice(kinds())
        if operation not in met:
            _import_for(operation, place)
            met.add(operation)
        most = reach.get((operation.name, calls), 12)
        if most < 2:
            continue
        at = rng.randrange(1, most)
        reached, end, problems = strike(operation, Fault(calls, fault, at), place)
        if reached:
            tally.add(operation.name, end, [f"{calls} {fault} at {at}: {one}" for one in problems])
            reach[operation.name, calls] = max(most, 2 * at)
            yield tally
        else:
            reach[operation.name, calls] = at


def _import_for(operation: Operation, place: Path) -> None:
    """Import what it imports while it works: that a module of ours cannot be read is no fault of the files."""
    folder, told = place / "work", place / "modules"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700)
    operation.prepare(folder)

    def act() -> int:
        operation.act(folder)
        told.write_text("\n".join(sys.modules))
        return 0

    assert forks.wait(forks.child(act, place / "said.log"), operation.seconds) == 0, (place / "said.log").read_text()
    for name in told.read_text().split():
        if name not in sys.modules:
            with contextlib.suppress(ImportError):  # a library's own name for a part that it loads later
                importlib.import_module(name)


def strike(operation: Operation, fault: Fault, place: Path) -> tuple[bool, str, list[str]]:
    """Do the operation with that fault: whether it came to it, how it ended, and which promises broke."""
    folder, log, trace = place / "work", place / "said.log", place / "strace.log"
    shutil.rmtree(folder, ignore_errors=True)
    for path in (log, trace):
        path.unlink(missing_ok=True)
    folder.mkdir(mode=0o700)
    operation.prepare(folder)
    pid = forks.child(lambda: operation.act(folder), log, stopped=True)
    os.waitpid(pid, os.WUNTRACED)
    tracer = _trace(pid, fault, trace)
    os.kill(pid, signal.SIGCONT)
    code = _end(pid, operation.seconds)
    tracer.wait(PATIENCE)
    told = trace.read_text(errors="replace") if trace.exists() else ""
    if "INJECTED" not in told and not (fault.fault == "kill" and "killed by SIGKILL" in told):
        return False, "", []
    if code is None:
        forks.kill(pid)
        return True, "hang", ["it hangs"]
    said = log.read_text(errors="replace") if log.exists() else ""
    problems = [f"a traceback: {said.strip()[-200:]}"] if code == forks.CRASHED else []
    broken = problems + operation.check(folder, code)
    if fault.calls in ("unlink", "open"):  # what cannot be removed, or not be opened for it, stays until the next start
        sweep(folder)
        broken = [one for one in broken if runs.strays(folder) or not one.startswith("left behind")]
    return True, "killed" if code == -signal.SIGKILL else f"exit {code}", broken


def _trace(pid: int, fault: Fault, log: Path) -> subprocess.Popen[bytes]:
    calls = CALLS[fault.calls]
    inject = f"inject={calls}:{FAULTS[fault.fault]}:when={fault.at}"
    command = ["strace", "-f", "-p", str(pid), "-o", str(log), "-e", f"trace={calls}", "-e", inject]
    tracer = subprocess.Popen(command, stderr=subprocess.DEVNULL, start_new_session=True)  # no Ctrl-C of ours
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end and "TracerPid:\t0" in Path(f"/proc/{pid}/status").read_text():
        time.sleep(forks.LOOK)
    return tracer


def _end(pid: int, seconds: float) -> int | None:
    """As `forks.wait`, for a process whose stops are the tracer's business."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found, status = os.waitpid(pid, os.WNOHANG)
        if found and not os.WIFSTOPPED(status):
            return os.waitstatus_to_exitcode(status)
        time.sleep(forks.LOOK)
    return None
