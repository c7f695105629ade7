"""Several values tried from the wizard: built from the setting under the cursor, foretold, started, looked at."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from textual.widgets import Input, OptionList

from loratui.app import LoratuiApp
from loratui.screens.wizard.sweeps.palette import sweep_commands
from loratui.settings.drafts.draft import Draft
from loratui.sweeps.files import read_sweep
from loratui.sweeps.place import names
from loratui.sweeps.points import points
from loratui.sweeps.progress import point_runs
from tests.loratui.screens.conftest import at, screen_text, until
from trainer.contract.run.lock import RunLock
from trainer.contract.run.queue import waiting
from trainer.contract.settings.config import TrainConfig, dump_config

pytestmark = pytest.mark.slow

Wizard = Callable[..., LoratuiApp]


@pytest.fixture
def busy(own_place: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A run that trains on the only place, so that everything else waits."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    folder = own_place / "runs" / "other"
    folder.mkdir(parents=True)
    (folder / "config.toml").write_text(dump_config(TrainConfig(name="other")))
    lock = RunLock(folder / "lock")
    yield
    os.close(lock._descriptor)


def try_values(screen: Any) -> None:
    """What Ctrl+P offers there."""
    commands = {one.title: one.callback for one in sweep_commands(screen)}
    commands["Try several values"]()


async def test_values_of_the_setting_under_the_cursor_become_runs(wizard: Wizard, chosen: Draft, busy: None) -> None:
    draft = chosen.with_fields(step=4, preset="object")
    app = wizard(draft.with_settings({"train.device": "cpu", "model.base": "sdxl-small", "model.vae": "auto"}))
    async with app.run_test(size=(80, 24)) as pilot:
        await at(pilot, "WelcomeScreen")
        await pilot.press("enter")
        screen = await at(pilot, "SettingsScreen")
        screen.form.go_to("train.rank")
        try_values(screen)
        line = (await at(pilot, "LineEditor")).query_one(Input)
        assert line.value == "16" and "Values of rank" in screen_text(app)
        await until(pilot, lambda: "Nothing changes yet: a adds a setting" in screen_text(app))
        line.value = "4, 5000"
        await pilot.press("enter")
        await until(pilot, lambda: "5000 is out of bounds" in screen_text(app))
        line.value = "4, 8, 16"
        await pilot.press("enter")
        builder = await at(pilot, "SweepBuilder")
        await until(pilot, lambda: "rank 4, 8, 16: 3 runs" in screen_text(app))

        await pilot.press("a")
        (await at(pilot, "LineEditor")).query_one(Input).value = "train.optimizer"
        await pilot.press("enter")
        await until(pilot, lambda: "Values of optimizer" in screen_text(app))
        app.screen.query_one(Input).value = "prodigy, adamw"
        await pilot.press("enter")
        await until(pilot, lambda: "rank 4, 8, 16 x optimizer prodigy, adamw: 6 runs" in screen_text(app))
        await until(pilot, lambda: builder._forecast is not None)
        assert "F2 starts" in screen_text(app) and "  disk  about" in screen_text(app)
        assert "rank                         4, 8, 16" in screen_text(app) and "! warning:" in screen_text(app)

        axes = builder.query_one(OptionList)
        axes.highlighted = 1
        await pilot.press("t")
        await until(pilot, lambda: "Both need as many values to change together: rank 3, opt" in screen_text(app))
        await pilot.press("enter")
        (await at(pilot, "LineEditor")).query_one(Input).value = "prodigy, adamw, lion"
        await pilot.press("enter")
        await until(pilot, lambda: ": 9 runs" in screen_text(app))
        await pilot.press("t")
        await until(pilot, lambda: "rank, optimizer: 4, prodigy; 8, adamw; 16, lion" in screen_text(app))
        assert axes.highlighted == 0 and "4, prodigy; 8, adamw; 16, lion" in screen_text(app)
        await pilot.press("enter")  # which of both; then its values, as many as the other has
        await at(pilot, "Chooser")
        await pilot.press("down", "enter")
        line = (await at(pilot, "LineEditor")).query_one(Input)
        assert line.value == "prodigy, adamw, lion"
        line.value = "prodigy, adamw"
        await pilot.press("enter")
        await until(pilot, lambda: "need as many values" in screen_text(app))
        line.value = "prodigy, adamw, came"
        await pilot.press("enter")
        await until(pilot, lambda: "16, came" in screen_text(app))
        await pilot.press("t")
        await until(pilot, lambda: ": 9 runs" in screen_text(app))

        await pilot.press("escape")
        assert await at(pilot, "SettingsScreen") is screen
        screen.form.go_to("train.batch")
        try_values(screen)  # what was chosen is there again, and nothing else is asked
        builder = await at(pilot, "SweepBuilder")
        await until(pilot, lambda: builder._forecast is not None)
        assert app.screen is builder and not builder.check_action("slurm", ()) and not builder.check_action("here", ())
        assert "dataset.hold_out set to 1" in screen_text(app)  # of five pictures
        builder.query_one(OptionList).highlighted = 1
        await pilot.press("x")
        await until(pilot, lambda: builder._forecast is not None and ": 3 runs" in screen_text(app))
        while (await start(pilot, builder)) != "SweepScreen":
            await until(pilot, lambda: builder._forecast is not None)
        assert names() == ["dog-rank"]
        sweep = read_sweep("dog-rank")
        assert [one.state for one in point_runs(sweep)] == ["queued"] * 3
        assert len(waiting(Path("runs").absolute())) == 3 and len(points(sweep)) == 3
        await until(pilot, lambda: "3 queued" in screen_text(app))
        await pilot.press("escape")
        await at(pilot, "SettingsScreen")
        assert "Sweeps" in {one.title for one in sweep_commands(app.screen)}


async def start(pilot: Any, builder: Any) -> str:
    """F2 and yes, to whatever is asked; the screen that comes of it."""
    await pilot.press("f2")
    await at(pilot, "Confirm")
    await pilot.press("y")
    await until(pilot, lambda: type(pilot.app.screen).__name__ in ("SweepBuilder", "SweepScreen"))
    await until(pilot, lambda: not builder._starting or not builder.is_attached)
    return type(pilot.app.screen).__name__


async def test_nothing_is_offered_where_there_are_no_settings(wizard: Wizard) -> None:
    app = wizard(None)
    async with app.run_test() as pilot:
        screen = await at(pilot, "WelcomeScreen")
        assert list(sweep_commands(screen)) == []
