"""The screen for a run that ended badly in a cluster: what goes on there is not starting here."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from loratui.app import LoratuiApp
from loratui.runs import slurm
from tests.loratui.screens.conftest import at, screen_text, until
from tests.loratui.screens.monitor.bad_ends import ended

NAME = "2026-11-23-1000-dog"


async def test_a_remedy_that_went_to_a_cluster_waits_there_and_is_not_starting_here(
    own_place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(own_place))  # whatever cluster this machine belongs to
    slurm.forget()
    run = ended(own_place / "runs" / NAME, "exception")
    app = LoratuiApp(run=run)
    async with app.run_test() as pilot:
        screen = await at(pilot, "MonitorScreen")
        await until(pilot, lambda: screen.state == "failed")
        slurm.write_entry(run, slurm.SlurmEntry("12", time.time()))
        screen._again(run, 0)
        await until(pilot, lambda: "job 12 waits in Slurm" in screen_text(app))
        assert screen.state == "queued"
