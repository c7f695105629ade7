"""A run handed to a real Slurm from the wizard, and what its monitor shows."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from textual.widgets import Input

from loratui.app import LoratuiApp
from loratui.runs.find import find_runs, run_info
from loratui.runs.slurm import entry_of
from loratui.screens.shared.session import Session
from loratui.screens.wizard.sweeps.palette import build
from loratui.settings.demo import SMALL_SIZE
from loratui.settings.drafts.draft import Draft
from loratui.settings.drafts.store import DraftStore
from loratui.sweeps.declaration import grid_axis
from loratui.sweeps.place import names
from tests.cluster.test_slurm import ENDLESS, events, here, submitted, wait_for, wait_until_empty
from tests.loratui.screens.conftest import A_GPU, at, screen_text, until
from tests.loratui.screens.wizard.test_review import review
from trainer.contract.run.lock import is_held
from trainer.contract.run.rundir import RunDir

__all__ = ["here"]
pytestmark = [pytest.mark.cluster, pytest.mark.slow]
LONG = 120.0  # seconds: sbatch and a cluster's turn beside other tests


def stored(pictures: Path, tmp_path: Path, step: int) -> DraftStore:
    """A draft of a run of two steps on the small SDXL, at this step of the wizard."""
    values = {"dataset.path": str(pictures), "kind": "object", "dataset.trigger": "TOK", "dataset.class_word": "dog"}
    draft = Draft(step=step, preset="object", images=4, values=values).with_settings(
        {**SMALL_SIZE, "train.steps": 2, "train.device": "cpu", "sample.steps": 2}
    )
    store = DraftStore(tmp_path / "state")
    store.save(draft)
    return store


async def asked(pilot: Any) -> Input:
    """F9, and yes to what the pictures' check found; the line for options of sbatch."""
    await pilot.press("f9")
    await until(pilot, lambda: type(pilot.app.screen).__name__ in ("Confirm", "Form"))
    if type(pilot.app.screen).__name__ == "Confirm":
        await pilot.press("y")
    return (await at(pilot, "Form")).query_one(Input)


async def test_the_review_hands_a_run_in_and_the_monitor_says_what_it_waits_for(
    slurm: Callable[..., str], pictures: Path, tmp_path: Path
) -> None:
    before = slurm("sbatch", "--parsable", "--wrap", "sleep 600", "--output=/dev/null")
    store = stored(pictures, tmp_path, 5)
    app = LoratuiApp(store=store, session=Session(look=lambda _: A_GPU))
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await review(pilot)
        line = await asked(pilot)
        assert line.value == ""
        line.value = "partition=none"
        await pilot.press("enter")
        await until(pilot, lambda: "Slurm refuses it: " in screen_text(app), LONG)
        assert app.screen is screen and not find_runs() and store.path.exists()

        line = await asked(pilot)
        line.value = "comment=kept time=30:00"
        await pilot.press("enter")
        await until(pilot, lambda: type(app.screen).__name__ == "MonitorScreen", LONG)
        (info,) = find_runs()
        entry = entry_of(info.run)
        assert entry is not None and dict(entry.options) == {"comment": "kept", "time": "30:00"}
        await until(pilot, lambda: f"job {entry.job} waits in Slurm" in screen_text(app), LONG)
        assert not store.path.exists()  # the draft became the run
        await pilot.press("n")
        queue = await at(pilot, "QueueScreen")
        await until(pilot, lambda: "1 in Slurm" in screen_text(app), LONG)
        await pilot.press("q")
        assert queue.rows is not None
        slurm("scancel", before)
        await until(pilot, lambda: "completed" in screen_text(app), 240)
    assert run_info(info.run).state == "completed"
    wait_until_empty(slurm)


async def test_x_in_the_monitor_ends_a_job_that_begins(
    loratui: Callable[..., Any], slurm: Callable[..., str], answers_file: Path
) -> None:
    run: RunDir = submitted(loratui, "works", ENDLESS)
    app = LoratuiApp(run=run)
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await at(pilot, "MonitorScreen")
        wait_for(lambda: is_held(run.claim))
        await until(pilot, lambda: screen.state == "starting")
        await pilot.press("x")
        await at(pilot, "Confirm")
        await pilot.press("y")
        # its trainer may have come while the question was read: then it is told
        await until(pilot, lambda: "taken out of Slurm" in screen_text(app) or "■ stopped" in screen_text(app), LONG)
    wait_until_empty(slurm)
    wait_for(lambda: run_info(run).state in ("new", "stopped"))
    assert not events(run, "step")


async def handed_in(pilot: Any, builder: Any, options: str) -> None:
    """F9 with these options, then F2, and yes to whatever is asked."""
    await until(pilot, lambda: builder._forecast is not None)
    await pilot.press("f9")
    (await at(pilot, "Form")).query_one(Input).value = options
    await pilot.press("enter")
    await until(pilot, lambda: f"handed to Slurm ({options})" in screen_text(pilot.app), LONG)
    starts = False
    while not starts:
        await until(pilot, lambda: builder._forecast is not None)
        await pilot.press("f2")
        await at(pilot, "Confirm")
        starts = "in Slurm?" in screen_text(pilot.app)
        await pilot.press("y")


async def test_a_sweep_that_was_built_on_the_screen_goes_to_the_cluster(
    slurm: Callable[..., str], pictures: Path, tmp_path: Path
) -> None:
    before = slurm("sbatch", "--parsable", "--wrap", "sleep 600", "--output=/dev/null")
    app = LoratuiApp(store=stored(pictures, tmp_path, 4), session=Session(look=lambda _: A_GPU))
    async with app.run_test(size=(80, 24)) as pilot:
        await at(pilot, "WelcomeScreen")
        await pilot.press("enter")
        screen = await at(pilot, "SettingsScreen")
        screen.session.axes = (grid_axis("train.rank=2,4"),)
        build(screen)
        builder = await at(pilot, "SweepBuilder")
        await handed_in(pilot, builder, "partition=none")
        await until(pilot, lambda: "Slurm refuses it: " in screen_text(app), LONG)
        assert not find_runs() and not names()
        await pilot.press("f9")
        await until(pilot, lambda: "F2 starts 2 runs" in screen_text(app))  # here again
        await handed_in(pilot, builder, "time=30:00")
        await until(pilot, lambda: type(app.screen).__name__ == "SweepScreen", LONG)
        await until(pilot, lambda: "2 queued in Slurm" in screen_text(app), LONG)
    assert slurm("squeue", "--noheader", "--me", "--states=PENDING", "--format=%l").splitlines() == ["30:00"] * 2
    slurm("scancel", before)
    wait_for(lambda: [one.state for one in find_runs()] == ["completed"] * 2)
    wait_until_empty(slurm)
