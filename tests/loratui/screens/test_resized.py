"""What is laid out for the window's width is laid out anew for another one: as if it had been opened so."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import OptionList

from loratui.app import LoratuiApp
from loratui.screens.monitor.queue import QueueScreen
from loratui.settings.drafts.draft import Draft
from tests.loratui.screens.conftest import at, fake_run, sample, screen_text, training, until
from tests.loratui.screens.wizard.test_fit import SMALL_GPU, judged
from trainer.contract.run import queue
from trainer.contract.run.lock import RunLock
from trainer.contract.run.rundir import RunDir
from trainer.contract.settings.config import TrainConfig, dump_config

Wizard = Callable[..., LoratuiApp]
NARROW, WIDE = (80, 24), (120, 36)
LONG = "a photo of a TOK dog on a beach, in the evening, with a red ball beside it, seen from far above the dunes"


async def resize(pilot: Pilot[Any], size: tuple[int, int]) -> None:
    await pilot.resize_terminal(*size)
    await pilot.pause()
    await pilot.pause()


@pytest.mark.slow
async def test_the_plan(wizard: Wizard, chosen: Draft) -> None:
    heavy = {"train.gradient_checkpointing": "off", "train.batch": 4, "name": "dog", "train.targets": "attention"}
    app = wizard(chosen.with_fields(step=5, preset="object").with_settings(heavy), SMALL_GPU)

    def plan() -> str:
        return str(app.screen.query_one("#plan-static").content)

    async with app.run_test(size=NARROW) as pilot:
        screen = await judged(pilot)
        narrow = plan()
        await resize(pilot, WIDE)
        assert plan() != narrow
        screen.query_one("#plan").scroll_to(y=3, animate=False)
        await resize(pilot, NARROW)
        assert plan() == narrow and screen.query_one("#plan").scroll_y == 3


async def test_the_rows_of_the_queue(wizard: Wizard, own_place: Path) -> None:
    folder = own_place / "runs"
    run = RunDir(folder / "2026-11-23-1100-a-cat-with-a-name-for-a-narrow-window")
    dog = fake_run(folder / "2026-11-23-1000-dog", training())
    dog.config.write_text(dump_config(TrainConfig(name="dog")))
    run.path.mkdir()
    run.config.write_text(dump_config(TrainConfig(name="cat")))
    queue.enqueue(run)
    lock, app = RunLock(dog.lock), wizard()
    async with app.run_test(size=NARROW) as pilot:
        await at(pilot, "WelcomeScreen")
        app.push_screen(QueueScreen(folder))
        screen = await at(pilot, "QueueScreen")
        await until(pilot, lambda: screen.rows is not None)
        listed = screen.query_one("#queue-list", OptionList)
        listed.highlighted = 1
        narrow = str(listed.options[1].prompt)
        screen._looking = True  # it is the size that is looked at, not the folder
        await resize(pilot, WIDE)
        assert "narrow-window" in str(listed.options[1].prompt) and "narrow-window" not in narrow
        assert listed.highlighted == 1
        await resize(pilot, NARROW)
        assert str(listed.options[1].prompt) == narrow
    lock.release()


async def test_the_prompt_of_a_picture(own_place: Path) -> None:
    run = fake_run(own_place / "runs" / "2026-11-23-1000-dog", [*training(), sample(30, 0, LONG)])
    app = LoratuiApp(run=run)
    async with app.run_test(size=NARROW) as pilot:
        await at(pilot, "MonitorScreen")
        await pilot.press("v")
        await at(pilot, "GalleryScreen")
        await until(pilot, lambda: "a photo of a TOK dog on" in screen_text(app))
        assert LONG not in screen_text(app)
        await resize(pilot, WIDE)
        assert LONG in screen_text(app)
