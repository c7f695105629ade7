"""A training held back: real steps, but about one a second, where what is tested is who watches it."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Callable, Iterator

import pytest

from trainer.contract.run.events import Tail
from trainer.contract.run.lock import lock_holder
from trainer.contract.run.rundir import RunDir

HELD, LOOK = 0.8, 0.05  # seconds: between two steps, and between two looks for the next


@contextlib.contextmanager
def slow_motion(run: RunDir) -> Iterator[None]:
    """From its first step on, whichever process trains in `run` is stopped after each (SIGSTOP) and let go later."""
    over = threading.Event()
    thread = threading.Thread(target=_hold_back, args=(run, over), daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@pytest.fixture
def hold_back() -> Iterator[Callable[[RunDir], None]]:
    """Holds a run back from here to the end of the test."""
    with contextlib.ExitStack() as stack:
        yield lambda run: stack.enter_context(slow_motion(run))


def _hold_back(run: RunDir, over: threading.Event) -> None:
    tail = Tail(run.events)
    while not over.wait(LOOK):
        if not any(event["type"] == "step" for event in tail.read()):
            continue
        holder = lock_holder(run.lock)
        if holder is None or holder.pid in (0, os.getpid()):
            continue  # 0: it lets go just now and its name is gone; a signal to 0 would stop all of the tests
        with contextlib.suppress(ProcessLookupError):
            os.kill(holder.pid, signal.SIGSTOP)
            over.wait(HELD)
            os.kill(holder.pid, signal.SIGCONT)
