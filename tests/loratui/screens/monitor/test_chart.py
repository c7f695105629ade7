"""One chart full screen: every key, the mouse, live, and runs with no step, one step, gaps and zeros."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from textual.events import MouseScrollDown, MouseScrollUp
from textual.pilot import Pilot

from loratui.app import LoratuiApp
from loratui.widgets.braille import LABEL
from tests.loratui.screens.conftest import HOSTILE, SIZES, assert_snapshot, at, fake_run, screen_text, training, until
from trainer.contract.run.events import EventLog
from trainer.contract.run.lock import RunLock
from trainer.contract.run.rundir import RunDir


@pytest.fixture
def run(own_place: Path) -> Iterator[RunDir]:
    """A run at step 80 of 100: past its pivot at 50, with a checkpoint and a picture at 30; its trainer is alive."""
    run = fake_run(own_place / "runs" / "2026-11-23-1000-dog", training(steps=80))
    lock = RunLock(run.lock)
    yield run
    lock.release()


async def graphs(pilot: Pilot[Any], key: str = "g") -> Any:
    await at(pilot, "MonitorScreen")
    await pilot.press(key)
    screen = await at(pilot, "ChartView")
    await until(pilot, lambda: "linear" in screen_text(pilot.app) or " log" in screen_text(pilot.app))
    return screen


@pytest.mark.slow
@pytest.mark.parametrize("size", SIZES)
async def test_the_keys(run: RunDir, size: tuple[int, int]) -> None:
    app = LoratuiApp(run=run)
    async with app.run_test(size=size) as pilot:
        screen = await graphs(pilot)
        assert screen.chart == "loss" and screen.cursor == 80
        await pilot.press("left", "left", "left")
        here = screen.cursor
        assert 80 - 3 * 3 <= here < 80 and f"step {here} of 100" in screen_text(app)
        await pilot.press("right")
        assert here < screen.cursor <= 80
        await pilot.press("down")  # back to the pivot
        assert screen.cursor == 50 and "step 50 of 100 · 40.0 views per image   ◆ pivot" in screen_text(app)
        await pilot.press("down")
        assert screen.cursor == 30
        shown = screen_text(app)
        assert "step 30 of 100 · 24.0 views per image   ▲ checkpoint   ○ sample" in shown
        assert "loss 0.1900   mean" in shown and "gradient norm 1" in shown
        assert "unet rate 1.0e-4 d 1.0e-4   tokens rate 3.0e-4 d 3.0e-4" in shown
        await pilot.press("plus", "equals_sign")
        start, end = screen.plot().x_start, screen.plot().x_end
        assert end - start == pytest.approx(25) and start < 30 < end
        assert "every step has its dot" in screen_text(app)
        assert_snapshot(app, "graphs")
        await pilot.press("minus")
        assert screen.plot().x_end - screen.plot().x_start == pytest.approx(50)
        for key, name in zip("12345", ("loss", "rates", "gradient", "speed", "memory"), strict=True):
            await pilot.press(key)
            assert screen.chart == name and f"[{key} " in screen_text(app)
            assert screen.cursor == 30  # it stays from chart to chart
        await pilot.press("tab")
        assert screen.chart == "loss"
        await pilot.press("shift+tab")
        assert screen.chart == "memory"
        for key, log in (("y", True), ("L", False)):
            await pilot.press(key)
            assert screen.plot().log is log and f"· {'log' if log else 'linear'}" in screen_text(app)
        for key in ("0", "home"):
            await pilot.press("plus")
            assert screen.zoom.span is not None
            await pilot.press(key)
            assert screen.zoom.span is None
        await pilot.press("shift+right")
        assert 37 <= screen.cursor <= 46
        await pilot.press("shift+left", "pageup")
        assert screen.cursor <= 23
        await pilot.press("pagedown", "up", "up")
        assert screen.cursor == 50
        await pilot.press("end")
        assert screen.cursor == 80 and screen.zoom.cursor is None
        await pilot.press("f1")
        await at(pilot, "Help")
        assert "the whole run" in screen_text(app)
        await pilot.press("escape")
        await at(pilot, "ChartView")
        await pilot.press("q")
        await at(pilot, "MonitorScreen")


@pytest.mark.slow
async def test_other_ways_back(run: RunDir) -> None:
    async with LoratuiApp(run=run).run_test() as pilot:
        for key in ("escape", "g", "enter"):
            await graphs(pilot)
            await pilot.press(key)
            await at(pilot, "MonitorScreen")


async def test_the_mouse_puts_the_cursor_zooms_and_opens(run: RunDir) -> None:
    app = LoratuiApp(run=run)
    async with app.run_test() as pilot:
        await at(pilot, "MonitorScreen")
        await pilot.click("#rates", offset=(20, 3))
        screen = await at(pilot, "ChartView")
        assert screen.chart == "rates"
        await pilot.pause()
        chart = screen.query_one("#chart")
        columns = chart.size.width - LABEL - 1
        await pilot.click("#chart", offset=(1 + LABEL + 1 + columns // 4, 4))
        await pilot.pause()
        assert 24 <= screen.cursor <= 26
        await pilot._post_mouse_events([MouseScrollUp], "#chart", button=0)
        await pilot.pause()
        assert screen.zoom.span is not None
        await pilot._post_mouse_events([MouseScrollDown], "#chart", button=0)
        await pilot.pause()
        assert screen.zoom.span is None
        await pilot.click("#chart", offset=(3, 4))  # on the numbers beside the axis
        assert 24 <= screen.cursor <= 26


async def test_it_is_live_and_the_cursor_stays_on_the_newest_step(run: RunDir) -> None:
    app = LoratuiApp(run=run)
    async with app.run_test() as pilot:
        screen = await graphs(pilot)
        await pilot.press("plus", "plus")
        log = EventLog(run.events)
        for number in range(81, 101):
            log.emit("step", step=number, loss=0.5, grad_norm=2.5, rates={}, s=0.25, epoch=1.0, views=1.0)
        log.close()
        await until(pilot, lambda: "step 100 of 100" in screen_text(app) and "loss 0.5000" in screen_text(app))
        assert screen.plot().x_end == pytest.approx(100)
        assert "gradient norm 2.5" in screen_text(app)


@pytest.mark.slow
async def test_a_run_without_a_step_and_one_with_one(own_place: Path) -> None:
    run = fake_run(own_place / "runs" / "new", [])
    lock = RunLock(run.lock)
    app = LoratuiApp(run=run)
    keys = ("left", "right", "up", "down", "plus", "minus", "0", "y", "end", "2", "3", "4", "5", "tab")
    async with app.run_test() as pilot:
        screen = await graphs(pilot)
        await pilot.press(*keys)
        assert "no steps yet" in screen_text(app) and "step 0 of 0" in screen_text(app)
        log = EventLog(run.events)
        log.emit("run", v=1, pid=1, name="dog", steps=1, resumed_from=None)
        log.emit("step", step=1, loss=0.25, grad_norm=1.0, rates={"unet": {"d": 1e-6, "effective": 1e-6}}, s=1.0)
        log.close()
        await until(pilot, lambda: "step 1 of 1" in screen_text(app))
        await pilot.press(*keys)
        assert screen.cursor == 1 and "loss 0.2500" in screen_text(app)
    lock.release()


@pytest.mark.slow
async def test_gaps_and_what_a_log_axis_cannot_show(own_place: Path) -> None:
    events = training(steps=40)
    for event in events:
        if event["type"] == "step" and 10 <= event["step"] < 30:
            event.update(grad_norm=None, nonfinite=True)
        elif event["type"] == "step":
            event.update(grad_norm=0.0 if event["step"] < 5 else 2.0)
    run = fake_run(own_place / "runs" / "dog", events)
    app = LoratuiApp(run=run)
    async with app.run_test() as pilot:
        screen = await graphs(pilot)
        await pilot.press("3", "down")
        assert screen.cursor == 30 and "gradient norm 2" in screen_text(app)
        await pilot.press("shift+left")
        assert "gradient norm 2" in screen_text(app) and screen.cursor < 10  # the cursor goes over the gap
        await pilot.press("1", "right", "right", "right", "right", "right", "right")
        assert "gradient norm -" in screen_text(app)  # and says so where it stands in it
        await pilot.press("3", "y")
        assert "4 at or below 0 not shown" in screen_text(app)
        screen.zoom = type(screen.zoom)(span=(11.0, 28.0), cursor=20)
        screen.draw()
        await pilot.pause()
        assert "nothing here that this axis can show" in screen_text(app)


async def test_a_hostile_group_is_inert(own_place: Path) -> None:
    events = training(steps=3)
    events[-1]["rates"] = {HOSTILE: {"d": 1e-6, "effective": 1e-6}}
    run = fake_run(own_place / "runs" / "dog", events)
    app = LoratuiApp(run=run)
    async with app.run_test() as pilot:
        await graphs(pilot)
        await pilot.press("2")
        assert not set(screen_text(app)) & {"\x1b", "\x07", "\x9b"}


@pytest.mark.slow
async def test_resizing_to_nothing_and_back(run: RunDir) -> None:
    app = LoratuiApp(run=run)
    async with app.run_test() as pilot:
        await graphs(pilot)
        for size in ((1, 1), (30, 8), (80, 24)):
            await pilot.resize_terminal(*size)
            await pilot.pause()
        assert "steps 0 to 100" in screen_text(app) and "q Back" in screen_text(app)
