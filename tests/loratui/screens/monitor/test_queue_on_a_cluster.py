"""The monitor where runs are a cluster's: the way to the queue, and the end of a job that begins."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from loratui.app import LoratuiApp
from loratui.runs import slurm
from loratui.runs.slurm import SlurmEntry, write_entry
from tests.loratui.screens.conftest import at, fake_run, screen_text, training, until
from trainer.contract.run.events import EventLog
from trainer.contract.run.lock import take
from trainer.contract.run.rundir import RunDir
from trainer.contract.settings.config import TrainConfig, dump_config


@pytest.fixture
def root(own_place: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run that is over, and two that wait in a cluster; this machine has no Slurm and nothing was queued here."""
    (own_place / "bin").mkdir()
    monkeypatch.setenv("PATH", str(own_place / "bin"))
    slurm.forget()
    folder = own_place / "runs"
    dog = fake_run(folder / "2026-11-23-1000-dog", training())
    dog.config.write_text(dump_config(TrainConfig(name="dog")))
    log = EventLog(dog.events)
    log.emit("end", status="completed", step=100, seconds=50.0, files=[])
    log.close()
    for job, name in (("12", "cat"), ("13", "fox")):
        run = RunDir(folder / f"2026-11-23-110{job[1]}-{name}")
        run.path.mkdir()
        run.config.write_text(dump_config(TrainConfig(name=name)))
        write_entry(run, SlurmEntry(job, time.time()))
    return folder


async def test_the_queue_is_reached_where_all_that_waits_is_in_a_cluster(root: Path) -> None:
    app = LoratuiApp(run=RunDir(root / "2026-11-23-1000-dog"))
    async with app.run_test() as pilot:
        await at(pilot, "MonitorScreen")
        await until(pilot, lambda: "2 wait in Slurm · n shows the queue" in screen_text(app))
        await pilot.press("n")
        screen = await at(pilot, "QueueScreen")
        await until(pilot, lambda: screen.rows is not None)
        await until(pilot, lambda: "2 in Slurm" in screen_text(app))
        await pilot.press("enter")
        await until(pilot, lambda: "job 12 waits in Slurm · n shows the queue" in screen_text(app))


async def test_a_job_that_begins_is_taken_out_for_its_trainer_does_not_listen_yet(root: Path) -> None:
    run = RunDir(root / "2026-11-23-1102-cat")
    claim = os.open(run.claim, os.O_RDWR | os.O_CREAT)
    assert take(claim)
    app = LoratuiApp(run=run)
    async with app.run_test() as pilot:
        screen = await at(pilot, "MonitorScreen")
        await until(pilot, lambda: screen.state == "starting")
        await pilot.press("x")
        await at(pilot, "Confirm")
        await pilot.press("y")
        await until(pilot, lambda: "job 12 can be cancelled on the cluster's login" in screen_text(app))
        assert not run.control.exists()  # a command would have been passed over
    os.close(claim)
