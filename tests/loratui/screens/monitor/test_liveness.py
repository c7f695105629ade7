"""What a monitor takes its run for, by the lock, the log and the cluster together."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from loratui.events.history import History
from loratui.runs import slurm
from loratui.runs.find import run_info
from loratui.runs.slurm import SlurmEntry, write_entry
from loratui.screens.monitor.liveness import Liveness
from trainer.contract.run.lock import RunLock
from trainer.contract.run.rundir import RunDir

NOW = time.time()


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunDir:
    """A run on a machine without Slurm."""
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    slurm.forget()
    (tmp_path / "config.toml").touch()
    (tmp_path / "trainer.log").write_text("words")
    return RunDir(tmp_path)


def history(*kinds: str) -> History:
    found = History()
    found.absorb([{"t": NOW - 30, "type": kind, "name": "a", "steps": 9, "status": "stopped"} for kind in kinds])
    return found


def test_a_run_that_stopped_and_was_begun_again_elsewhere_is_starting(run: RunDir) -> None:
    live, said = Liveness(run), history("run", "end")
    assert live.state(said, live.look(said)) == "stopped"
    lock = RunLock(run.lock)
    assert live.state(said, live.look(said)) == "starting"
    lock.release()
    assert live.state(said, live.look(said)) == "stopped"


@pytest.mark.parametrize("age", [5, 7200])
@pytest.mark.parametrize("events", [None, ""])
def test_a_run_that_said_nothing_is_called_so_by_monitor_and_lists(run: RunDir, age: int, events: str | None) -> None:
    """Starting while its launch is young, whenever the monitor was opened; a trainer that held the lock has events."""
    run.log.write_text("")
    os.utime(run.log, (time.time() - age, time.time() - age))
    if events is not None:
        run.events.write_text(events)
    live, said = Liveness(run), History()
    state = live.state(said, live.look(said))
    assert state == run_info(run).state == ("starting" if age == 5 and events is None else "crashed")


def test_a_run_that_made_room_waits_and_says_for_what(run: RunDir) -> None:
    live, said = Liveness(run), history("run", "end")
    write_entry(run, SlurmEntry("12", NOW - 60, again=True))
    live.look(said)  # squeue is asked in a thread: no screen waits for it
    assert live.state(said, live.look(said)) == "queued"
    assert live.note == "job 12 waits in Slurm"


def test_a_run_whose_lock_is_not_seen_trains(run: RunDir) -> None:
    live, said = Liveness(run), history("run")
    write_entry(run, SlurmEntry("12", NOW - 60))
    assert live.look(said) is True
    assert live.state(said, True) == "training"
