"""What matters, where a person sees it: in the monitor, once among the events, in the log; and the charts with room."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from loratui.app import LoratuiApp
from loratui.screens.monitor.monitor import PIECE
from tests.loratui.screens.conftest import SIZES, assert_snapshot, at, fake_run, screen_text, training, until
from tests.trainer.conftest import draw_dataset, make_config, make_run, train
from trainer.contract.run.events import EventLog
from trainer.contract.run.lock import RunLock
from trainer.contract.run.rundir import RunDir
from trainer.contract.settings.config import TrainConfig, dump_config

STUCK = "d is still at its first value after 150 steps: raise d0"
VIEWS = "views per image have passed 220: style sets overfit here"


@pytest.fixture
def run(own_place: Path) -> Iterator[RunDir]:
    """A style run at step 150 of 300 whose d never moved and whose GPU is nearly full."""
    events = [event for event in training(steps=150, of=300, vram_total=7.5e9) if event["type"] != "sample"]
    for event in events:
        for rates in event.get("rates", {}).values():
            rates.update(d=1e-6, effective=9e-7)
    run = fake_run(own_place / "runs" / "2026-11-23-1000-dog", events)
    run.config.write_text(dump_config(TrainConfig(kind="style")))
    lock = RunLock(run.lock)
    yield run
    lock.release()


async def watched(pilot: Pilot[Any]) -> Any:
    screen = await at(pilot, "MonitorScreen")
    await pilot.pause()
    return screen


@pytest.mark.parametrize("size", SIZES)
async def test_it_stands_above_the_charts_and_once_among_the_events(run: RunDir, size: tuple[int, int]) -> None:
    app = LoratuiApp(run=run)
    async with app.run_test(size=size) as pilot:
        screen = await watched(pilot)
        assert_snapshot(app, "monitor-matters")
        lines = screen_text(app).splitlines()
        assert lines[3].strip() == f"! {STUCK}"
        assert lines[4].strip() == "! memory is nearly full: 7.3 GB of 7.5 GB"
        log = EventLog(run.events)
        log.emit("step", step=151, loss=0.1, rates={"unet": {"d": 1e-6, "effective": 1e-6}}, s=0.5, views=230.0)
        await until(pilot, lambda: "step 151 of 300" in screen_text(app))
        said = [message.text for message in screen.history.messages]
        assert said.count(STUCK) == 1 and said.count(VIEWS) == 1
        assert "after 151 steps" in screen_text(app)  # the line above the charts is of now
        log.emit(
            "step", step=152, loss=0.1, rates={"unet": {"d": 2e-6, "effective": 2e-6}}, s=0.5, views=230.0, vram=5e9
        )
        await until(pilot, lambda: "step 152 of 300" in screen_text(app))
        assert screen_text(app).splitlines()[3].strip() == f"! {VIEWS}"
        log.close()


async def test_there_is_no_line_while_there_is_nothing_to_say(run: RunDir) -> None:
    run.events.write_text("")
    log = EventLog(run.events)
    for event in training(steps=3):
        log.emit(**event)
    log.close()
    app = LoratuiApp(run=run)
    async with app.run_test() as pilot:
        screen = await watched(pilot)
        assert not screen.query_one("#matters").display
        assert screen_text(app).splitlines()[3].startswith("╭─ loss")


async def test_more_than_two_are_in_the_log_with_advice_and_source(run: RunDir) -> None:
    log = EventLog(run.events)
    log.emit("step", step=151, loss=0.1, rates={}, s=0.5, views=230.0, vram=7.4e9)
    log.close()
    app = LoratuiApp(run=run)
    async with app.run_test(size=(120, 36)) as pilot:
        await watched(pilot)
        assert "and 1 more: l" in screen_text(app)
        await pilot.press("l")
        await at(pilot, "Reader")
        await pilot.pause()
        shown = screen_text(app)
        assert VIEWS in shown and "raise prodigy.d0 to 1e-05" in shown
        assert "from: the post's Y2K table: 37, 74 and 148 views per image were good" in shown
        await pilot.press("escape")
        await at(pilot, "MonitorScreen")


async def test_a_resumed_run_is_told_again(run: RunDir) -> None:
    app = LoratuiApp(run=run)
    async with app.run_test() as pilot:
        screen = await watched(pilot)
        log = EventLog(run.events)
        log.emit("run", v=1, pid=2, name="dog", steps=300, resumed_from=150, vram_total=7.5e9)
        log.emit("step", step=151, loss=0.1, rates={}, s=0.5, views=1.0, vram=7.4e9)
        log.close()
        await until(pilot, lambda: screen.history.step == 151)
        said = [message.text for message in screen.history.messages]
        assert len([text for text in said if text.startswith("memory is nearly full")]) == 2


async def test_without_readable_settings_the_rest_is_said(run: RunDir) -> None:
    run.config.write_text("kind = [")
    app = LoratuiApp(run=run)
    async with app.run_test() as pilot:
        await watched(pilot)
        assert STUCK in screen_text(app)


@pytest.mark.slow
@pytest.mark.parametrize("size", SIZES)
async def test_r_goes_through_the_charts_that_have_no_room(run: RunDir, size: tuple[int, int]) -> None:
    app = LoratuiApp(run=run)
    async with app.run_test(size=size) as pilot:
        screen = await watched(pilot)
        wide = size[0] > 100
        order = ["gradient norm", "speed", "memory"] if wide else ["rate", "gradient norm", "speed", "memory"]
        for place, word in enumerate([*order, order[0]]):
            shown = screen_text(app)
            assert f"─ {word} " in shown and "─ loss " in shown
            assert f"r: {order[(place + 1) % len(order)]} " in shown
            assert ("─ rate " in shown) == (wide or word == "rate")
            assert len(screen.charts_seen) == (3 if wide else 2)
            await pilot.press("r")
            await pilot.pause()


async def test_all_five_charts_at_200x60(run: RunDir) -> None:
    app = LoratuiApp(run=run)
    async with app.run_test(size=(200, 60)) as pilot:
        screen = await watched(pilot)
        shown = screen_text(app)
        for word in ("loss", "rate", "gradient norm 1", "speed 0.50 s/step", "memory 7.3 GB of 7.5 GB", "events"):
            assert f"─ {word}" in shown
        assert "r: " not in shown
        before = screen.charts_seen
        await pilot.press("r")
        assert screen.charts_seen == before
        areas = [screen.query_one(f"#{name}").region for name in before]
        assert min(one.width for one in areas) >= 60 and min(one.height for one in areas) >= 15


async def test_a_long_log_is_read_in_pieces_and_says_how_far(run: RunDir) -> None:
    app = LoratuiApp(run=run)
    async with app.run_test() as pilot:
        screen = await watched(pilot)
        line = '{{"t":1,"type":"step","step":{},"loss":0.1,"rates":{{}},"s":0.5,"views":230.0,"pad":"{}"}}\n'
        with run.events.open("a") as log:
            log.writelines(line.format(number, "x" * 1000) for number in range(151, 151 + 3 * PIECE // 1000))
        screen._drawn = 0.0
        screen.pull()  # no other task has a turn before the next line
        assert 150 < screen.history.step < 151 + 2 * PIECE // 1000
        assert str(screen.query_one("#events").border_title).startswith("reading the log: 3")
        assert VIEWS not in [message.text for message in screen.history.messages]
        turns = 0
        while screen._behind:
            await asyncio.sleep(0.001)
            turns += 1
        assert turns > 2  # others had theirs between the pieces
        assert screen.history.step == 150 + 3 * PIECE // 1000
        await until(pilot, lambda: "─ events ─" in screen_text(app))
        assert [message.text for message in screen.history.messages].count(VIEWS) == 1


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> RunDir:
    """Three steps of the small SDXL, trained by the real trainer."""
    pictures = draw_dataset(tmp_path_factory.mktemp("pictures"))
    own = make_config(pictures, train__steps=3, train__checkpoint_every=0, train__sample_every=0)
    run = make_run(tmp_path_factory.mktemp("run") / "a", own)
    train(run)
    return run


@pytest.mark.slow
async def test_a_real_run_fills_every_chart(real: RunDir) -> None:
    app = LoratuiApp(run=real)
    async with app.run_test(size=(200, 60)) as pilot:
        screen = await watched(pilot)
        curves = screen.history.curves
        for series in (curves.loss, curves.grad_norm, curves.seconds, curves.data, curves.memory):
            assert series.steps == [1, 2, 3]
        assert min(curves.grad_norm.values) > 0 and min(curves.memory.values) > 1e7
        assert all(0 < data < seconds for data, seconds in zip(curves.data.values, curves.seconds.values, strict=True))
        assert screen.history.run["vram_total"] is None  # a CPU
        shown = screen_text(app)
        assert f"─ gradient norm {curves.grad_norm.last:.4g}" in shown
        assert re.search(r"[0-9] m?s/step  pictures", shown)
        assert re.search(r"\d [MG]B of RAM", shown)
        await pilot.press("g", "3", "left")
        await at(pilot, "ChartView")
        await until(pilot, lambda: f"gradient norm {curves.grad_norm.values[1]:.4g}" in screen_text(app))
