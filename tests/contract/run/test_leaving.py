"""A trainer that has ended and is not gone yet keeps nobody from going on; one on its way in does."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from loratui.runs.launch import LaunchError, refuse_running
from trainer.contract.run import exits
from trainer.contract.run.lock import AlreadyRunning, RunLock, take
from trainer.contract.run.rundir import RunDir
from trainer.contract.run.trainer_start import refuse_working


@pytest.fixture
def run(tmp_path: Path) -> RunDir:
    return RunDir(tmp_path)


@contextmanager
def claimed(run: RunDir) -> Iterator[int]:
    """The claim of a run, held as a trainer holds it that has let go of the lock."""
    claim = os.open(run.claim, os.O_RDWR | os.O_CREAT)
    assert take(claim)
    try:
        yield claim
    finally:
        os.close(claim)


def test_who_goes_on_waits_for_the_one_that_leaves(run: RunDir) -> None:
    left = []
    with claimed(run) as claim:
        other = os.dup(claim)

    def leave() -> None:
        time.sleep(0.3)
        left.append(True)
        os.close(other)

    leaving = threading.Thread(target=leave)
    leaving.start()
    refuse_running(run)
    assert left, "it went on beside a process that was still there"
    leaving.join()


def test_one_that_does_not_leave_is_named(run: RunDir) -> None:
    with claimed(run), pytest.raises(AlreadyRunning):
        refuse_working(run, patience=0.1)


def test_one_that_takes_the_lock_is_not_waited_for(run: RunDir, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "sleep", None)
    lock = RunLock(run.lock)
    try:
        with claimed(run), pytest.raises(LaunchError, match="already runs") as refused:
            refuse_running(run)
        assert refused.value.code == exits.RUNNING
    finally:
        lock.release()


def test_nobody_is_nobody(run: RunDir) -> None:
    refuse_working(run, patience=0)
