"""Real programs in forked children of one process that has imported their libraries already."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path

from trainer.contract.run.rundir import RunDir

CRASHED = 99  # the exit code of a child that ended by a traceback
REFUSED = 42  # and of one that ended by an OSError
LOOK = 0.002  # seconds


def prepare() -> None:
    """Import what a trainer needs, once, with the figures that make two runs the same bytes."""
    os.environ.update(OMP_NUM_THREADS="1", SOURCE_DATE_EPOCH="1700000000", HF_HUB_OFFLINE="1")
    import torch

    from tests.warm.server import load_all

    torch.set_num_threads(1)
    load_all()


def child(act: Callable[[], int], log: Path, stopped: bool = False) -> int:
    """Do `act` in a process of its own, its words in `log`; returns its number. `stopped`: it waits for SIGCONT."""
    sys.stdout.flush()
    pid = os.fork()
    if pid:
        return pid
    code = CRASHED
    try:
        os.setsid()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL if number != signal.SIGINT else signal.default_int_handler)
        out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(out, 1)
        os.dup2(out, 2)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        if stopped:
            os.kill(os.getpid(), signal.SIGSTOP)
        code = act()
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else 1
    except OSError as error:  # the caller of what was done puts it into words
        code = REFUSED
        with contextlib.suppress(OSError):  # these words are the campaign's: that they fail says nothing
            print(error, flush=True)
    except BaseException:
        traceback.print_exc()
    finally:
        try:
            sys.stdout.flush()
            sys.stderr.flush()
        finally:
            os._exit(code)
    return 0


def trainer(run: RunDir) -> int:
    """The trainer on `run`, as loratui starts it but for the imports."""

    def act() -> int:
        from trainer.__main__ import main

        return main([str(run.config)])

    return child(act, run.log)


def wait(pid: int, seconds: float) -> int | None:
    """The exit code (negative: the signal), or None if it still lives after `seconds`."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found, status = os.waitpid(pid, os.WNOHANG)
        if found:
            return os.waitstatus_to_exitcode(status)
        time.sleep(LOOK)
    return None


def kill(pid: int) -> None:
    """kill -9, and wait until it is gone."""
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


def limit_memory(more: int) -> None:
    """No more than `more` bytes beyond what this process has now: what asks for more gets a MemoryError."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + more
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
