"""A run with sample.count = 0: the monitor and the result say why there is no picture, and so do their keys."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

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


@pytest.mark.parametrize("size", SIZES)
async def test_a_run_that_trains(own_place: Path, size: tuple[int, int]) -> None:
    run = run_in(own_place)
    lock = RunLock(run.lock)
    app = LoratuiApp(run=run)
    async with app.run_test(size=size) as pilot:
        screen = await at(pilot, "MonitorScreen")
        await until(pilot, lambda: screen.query_one("#events").region.right == size[0])
        boxes = [one.region for one in screen.query("Chart, #events") if one.display]
        assert not screen.query_one("#samples").display
        assert sum(box.area for box in boxes) == screen.query_one("#grid").region.area  # the others have its room
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
        wall, lists = screen.query_one("#wall").region, screen.query_one("#lists").region
        assert wall.height == 3 and lists.height == size[1] - 6  # but head, box, an answer and the keys


LEFT_OUT = {
    "monitor": ("every prompt", "one more prompt", "view", "wall", "another prompt"),
    "result": ("view", "wall", "first noise"),
}


@pytest.mark.parametrize("place", LEFT_OUT)
async def test_its_help_names_no_key_and_nothing_of_pictures(own_place: Path, place: str) -> None:
    """What is left out of it stands in the help of a run that drew some."""
    run, drawn = run_in(own_place), fake_run(own_place / "runs" / "2026-11-23-1100-cat", training())
    said = {}
    for one in (run, drawn):
        app = LoratuiApp(run=one)
        async with app.run_test() as pilot:
            await at(pilot, "MonitorScreen")
            if place == "result":
                await app.push_screen(ResultScreen(one))
            await pilot.press("f1")
            said[one.path] = (await at(pilot, "Help"))._help
    words = LEFT_OUT[place]
    assert all(one in said[drawn.path] for one in words) and not [one for one in words if one in said[run.path]]
    entries = re.findall(r"^  \S.*", said[run.path], re.M)
    assert len(entries) > 4 and not [one for one in entries if "picture" in one]
    assert "q " in said[run.path]
