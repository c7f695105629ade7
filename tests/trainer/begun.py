"""Runs that were begun in a process of their own: what they said until now, waited for; gone when a test is over."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.trainer.conftest import make_run, start
from trainer.contract.run.events import Tail
from trainer.contract.run.rundir import RunDir
from trainer.contract.settings.config import TrainConfig

Events = list[dict[str, Any]]
Begun = tuple[RunDir, subprocess.Popen[bytes]]


def of(events: Events, kind: str) -> Events:
    return [event for event in events if event["type"] == kind]


def wait_for(run: RunDir, found: Callable[[Events], bool], seconds: float = 60) -> Events:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        events = Tail(run.events).read()
        if found(events):
            return events
        time.sleep(0.05)
    raise AssertionError(f"did not happen within {seconds} s; the log says: {run.log.read_text()[-2000:]}")


@contextmanager
def begun_run(folder: Path, config: TrainConfig, found: Callable[[Events], bool]) -> Iterator[Begun]:
    """A run that came so far that its events are as wanted, and goes on; killed at the end, if it still lives."""
    run = make_run(folder, config)
    process = start(run)
    try:
        wait_for(run, found)
        yield run, process
    finally:
        process.kill()
        process.wait()
