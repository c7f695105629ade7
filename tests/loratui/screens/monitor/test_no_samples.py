"""A run with sample.count = 0: the monitor and the result say why there is no picture, and so do their keys."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual.geometry import Region

from loratui.app import LoratuiApp
from loratui.screens.monitor.requests import DRAWING
from loratui.screens.results.result import ResultScreen
from tests.loratui.screens.conftest import SIZES, at, fake_run, screen_text, training, until
from trainer.contract.run.control import Inbox
from trainer.contract.run.lock import RunLock
from trainer.contract.run.rundir import RunDir
from trainer.contract.settings.tracking import NO_SAMPLES

KEYS = {"sample": "s", "add": "a", "view": "v", "wall": "w"}


def run_in(folder: Path) -> RunDir:
    events = [one for one in training() if one["type"] != "sample"]
    run = fake_run(folder / "runs" / "2026-11-23-1000-dog", events)
    run.config.write_text("[sample]\ncount = 0\n")
    return run


def within(app: LoratuiApp, box: Region) -> str:
    """The words on a part of the screen, as one line."""
    rows = screen_text(app).splitlines()[box.y : box.bottom]
    return " ".join(" ".join(row[box.x : box.right] for row in rows).split())


@pytest.mark.parametrize("size", SIZES)
async def test_a_run_that_trains(own_place: Path, size: tuple[int, int]) -> None:
    run = run_in(own_place)
    lock = RunLock(run.lock)
    app = LoratuiApp(run=run)
    async with app.run_test(size=size) as pilot:
        await at(pilot, "MonitorScreen")
        box = app.screen.query_one("#now").region
        await until(pilot, lambda: NO_SAMPLES in within(app, box))  # in whole words, however narrow
        for action in DRAWING:
            await pilot.press(KEYS[action])
            await until(pilot, lambda: any(one.message == NO_SAMPLES for one in app._notifications))
            app.clear_notifications()
        assert type(app.screen).__name__ == "MonitorScreen" and not Inbox(run).take()
    lock.release()


@pytest.mark.parametrize("size", SIZES)
async def test_its_result(own_place: Path, size: tuple[int, int]) -> None:
    run = run_in(own_place)
    app = LoratuiApp(run=run)
    async with app.run_test(size=size) as pilot:
        await at(pilot, "MonitorScreen")
        await app.push_screen(ResultScreen(run))
        await until(pilot, lambda: NO_SAMPLES in screen_text(app))
        screen = app.screen
        assert screen.query_one("#wall").region.height == 3  # the sentence; the files have the room
        assert screen.query_one("#files").region.height >= size[1] - 8
        await pilot.press("f1")
        await at(pilot, "Help")
        assert "pictures full screen" not in screen_text(app) and "copy what the line says" in screen_text(app)
        await pilot.press("escape")
