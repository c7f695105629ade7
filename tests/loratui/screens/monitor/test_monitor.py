"""The monitor: what it shows of a log, what its keys send, how it speaks of a trainer that is gone."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from loratui.app import LoratuiApp
from loratui.screens.monitor.gallery import GalleryScreen
from loratui.screens.results.result import ResultScreen
from tests.loratui.screens.conftest import (
    HOSTILE,
    SIZES,
    assert_snapshot,
    at,
    fake_run,
    sample,
    screen_text,
    training,
    until,
)
from trainer.contract.run.control import Inbox
from trainer.contract.run.events import EventLog
from trainer.contract.run.lock import RunLock
from trainer.contract.run.rundir import RunDir


@pytest.fixture
def run(own_place: Path) -> RunDir:
    """A run at step 40 of 100, with its pictures."""
    run = fake_run(own_place / "runs" / "2026-11-23-1000-dog", training())
    draw(run, 0, 30)
    return run


def draw(run: RunDir, *steps: int) -> None:
    """The pictures of the sample events."""
    from PIL import Image

    run.samples.mkdir(exist_ok=True)
    for step in steps:
        Image.new("RGB", (64, 64), (40, 2 * step, 160)).save(run.samples / f"{step:06d}-0.jpg")
        Image.new("RGB", (64, 64), (40, 2 * step, 160)).save(run.samples / f"{step:06d}-0.png")


@pytest.fixture
def alive(run: RunDir) -> Iterator[RunLock]:
    """A trainer that holds the lock."""
    lock = RunLock(run.lock)
    yield lock
    with contextlib.suppress(OSError):  # a test may have released it
        lock.release()


async def monitor(pilot: Pilot[Any]) -> Any:
    screen = await at(pilot, "MonitorScreen")
    await until(pilot, lambda: not screen.history.samples or screen.query_one("#now").shown)
    await pilot.pause()
    return screen


@pytest.mark.parametrize("size", SIZES)
async def test_a_running_run(run: RunDir, alive: RunLock, size: tuple[int, int]) -> None:
    app = LoratuiApp(run=run)
    async with app.run_test(size=size) as pilot:
        screen = await monitor(pilot)
        if size[0] > 100:
            await until(pilot, lambda: screen.query_one("#base").shown)
        await pilot.pause()
        assert_snapshot(app, "monitor")


@pytest.mark.parametrize("size", SIZES)
async def test_a_dead_trainer_is_said_with_its_last_words(run: RunDir, size: tuple[int, int]) -> None:
    run.log.write_text("loading\nRuntimeError: [b]bad[/b] \x1b[31mluck\n")
    app = LoratuiApp(run=run)
    async with app.run_test(size=size) as pilot:
        screen = await monitor(pilot)
        await until(pilot, lambda: screen.query_one("#now").shown)
        assert screen.state == "crashed"
        assert_snapshot(app, "crashed")


async def test_a_trainer_that_dies_while_watched_is_noticed(run: RunDir, alive: RunLock) -> None:
    app = LoratuiApp(run=run)
    async with app.run_test() as pilot:
        await monitor(pilot)
        assert "● training" in screen_text(app)
        alive.release()
        await until(
            pilot,
            lambda: "✗ crashed" in screen_text(app) and "loratui resume 2026-11-23-1000-dog" in screen_text(app),
        )


async def test_new_events_are_shown(run: RunDir, alive: RunLock) -> None:
    app = LoratuiApp(run=run)
    async with app.run_test() as pilot:
        await monitor(pilot)
        log = EventLog(run.events)
        log.emit("step", step=41, loss=0.1, rates={}, s=0.5, epoch=8.2, views=32.8)
        log.emit("warn", code="x", message="something to know", advice="do this")
        await until(
            pilot, lambda: "step 41 of 100" in screen_text(app) and "something to know - do this" in screen_text(app)
        )
        log.close()


async def test_commands_go_to_the_inbox_and_are_acknowledged(run: RunDir, alive: RunLock) -> None:
    app = LoratuiApp(run=run)
    inbox = Inbox(run)
    async with app.run_test() as pilot:
        screen = await monitor(pilot)
        for key, cmd in (("s", "sample"), ("c", "save"), ("p", "pause")):
            await pilot.press(key)
            (command,) = inbox.take()
            assert command.cmd == cmd
            assert f"{cmd}: asked" in screen_text(app)
            log = EventLog(run.events)
            log.emit("command", id=command.id, cmd=cmd, ok=True, message=f"did {cmd}")
            log.close()
            await until(pilot, lambda cmd=cmd: f"✓ {cmd}: did {cmd}" in screen_text(app))
        assert screen._waiting == {}
        assert "‖ paused" in screen_text(app)
        await until(pilot, lambda: "p Resume" in screen_text(app))  # no key is called what it does not do
        assert "p Pause" not in screen_text(app)
        await pilot.press("p")
        assert inbox.take()[0].cmd == "resume"


@pytest.mark.slow
async def test_stop_says_what_it_leaves_and_asks(run: RunDir, alive: RunLock) -> None:
    app = LoratuiApp(run=run)
    inbox = Inbox(run)
    async with app.run_test() as pilot:
        await monitor(pilot)
        await pilot.press("x")
        await at(pilot, "Confirm")
        assert "checkpoints/step-000040" in screen_text(app)
        await pilot.press("enter")  # the cursor stands on the harmless answer
        await at(pilot, "MonitorScreen")
        assert inbox.take() == []
        await pilot.press("x")
        await at(pilot, "Confirm")
        await pilot.press("tab", "enter")
        await at(pilot, "MonitorScreen")
        assert inbox.take()[0].cmd == "stop"


@pytest.mark.parametrize("key", ["q", "ctrl+q"])
async def test_leaving_says_how_to_come_back_and_touches_nothing(run: RunDir, alive: RunLock, key: str) -> None:
    before = run.events.read_bytes()
    app = LoratuiApp(run=run)
    async with app.run_test() as pilot:
        await monitor(pilot)
        await pilot.press(key)
        await until(pilot, lambda: not app.is_running or app.return_value is not None)
    assert app.return_value == (
        "2026-11-23-1000-dog: training. The training goes on. Come back with: loratui attach 2026-11-23-1000-dog"
    )
    assert run.events.read_bytes() == before
    assert not list(run.path.glob("control/*.json"))


@pytest.mark.slow
async def test_hostile_prompts_names_and_logs_are_inert(own_place: Path) -> None:
    events = [
        *training(steps=5, name=HOSTILE),
        sample(5, prompt=HOSTILE),
        {"type": "sample", "step": 6, "index": 1, "prompt": "p", "path": "../../x.png", "thumb": "/etc/passwd"},
        {"type": "warn", "code": "x", "message": HOSTILE, "advice": HOSTILE},
        {"type": "error", "kind": "exception", "message": HOSTILE, "advice": [HOSTILE]},
        {"type": "end", "status": "failed", "step": 5, "seconds": 1.0, "files": []},
    ]
    run = fake_run(own_place / "runs" / "x", events)
    run.log.write_text(HOSTILE)
    run.export.mkdir()
    (run.export / "x.safetensors").touch()
    app = LoratuiApp(run=run)
    async with app.run_test(size=(120, 36)) as pilot:
        await at(pilot, "MonitorScreen")
        for key in ("down", "v", "escape", "l", "escape", "enter"):
            assert not set(screen_text(app)) & {"\x1b", "\x07", "\x9b"}
            await pilot.press(key)
            await pilot.pause()
        await at(pilot, "ResultScreen")
        assert not set(screen_text(app)) & {"\x1b", "\x07", "\x9b"}
        assert app.is_running


async def test_a_run_that_has_not_begun_is_starting(own_place: Path) -> None:
    run = fake_run(own_place / "runs" / "new", [])
    run.events.unlink()  # a trainer makes it once it has the lock
    run.log.touch()
    app = LoratuiApp(run=run)
    async with app.run_test() as pilot:
        await at(pilot, "MonitorScreen")
        assert "◌ starting" in screen_text(app)
        assert "no steps yet" in screen_text(app)


@pytest.mark.slow
async def test_a_run_that_was_never_started_is_new_at_once(own_place: Path) -> None:
    run = fake_run(own_place / "runs" / "new", [])
    run.events.unlink()
    app = LoratuiApp(run=run)
    async with app.run_test() as pilot:
        await at(pilot, "MonitorScreen")
        await until(pilot, lambda: "new" in screen_text(app).split())
        assert "○ new" in screen_text(app) and "starting" not in screen_text(app)


@pytest.mark.slow
async def test_resizing_to_nothing_and_back(run: RunDir, alive: RunLock) -> None:
    app = LoratuiApp(run=run)
    async with app.run_test() as pilot:
        await monitor(pilot)
        for size in ((1, 1), (3, 2), (30, 8), (200, 60), (80, 24)):
            await pilot.resize_terminal(*size)
            await pilot.pause()
        assert "● training" in screen_text(app)


async def test_a_trainer_started_by_hand_that_was_refused_is_over_at_once(own_place: Path) -> None:
    """Its end is the only thing that it said: no `run` event, no trainer.log."""
    said = "there is no folder '/gone' that you may look into"
    events = [
        {"type": "error", "kind": "data", "message": said, "advice": [], "pictures": []},
        {"type": "end", "status": "failed", "step": None, "seconds": 0.0, "files": []},
    ]
    run = fake_run(own_place / "runs" / "by-hand", events)
    app = LoratuiApp(run=run)
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await monitor(pilot)
        assert screen.state == "failed" and not screen.alive
        text = screen_text(app)
        assert "f Fix" in text.splitlines()[-1] and "refused" not in text
        run.log.write_text(f"{said}\n")
        screen.draw()
        await pilot.pause()
        assert " ".join(screen_text(app).split()).count("/gone") == 1


@pytest.mark.parametrize(("prompts", "words"), [(("a", "a"), "picture 1/2"), (("a", "b"), "prompt 1/2")])
async def test_pictures_of_two_seeds_are_not_called_two_prompts(
    own_place: Path, prompts: tuple[str, str], words: str
) -> None:
    drawn = [{**sample(step, at, prompt), "seed": at} for step in (0, 9) for at, prompt in enumerate(prompts)]
    run = fake_run(own_place / "runs" / "dog", [one for one in training() if one["type"] != "sample"] + drawn)
    app = LoratuiApp(run=run)
    async with app.run_test(size=(120, 36)) as pilot:
        await at(pilot, "MonitorScreen")
        await until(pilot, lambda: f"step 9 · {words}" in screen_text(app))
        await app.push_screen(ResultScreen(run))
        await until(pilot, lambda: f" · {words}" in screen_text(app))
        await app.push_screen(GalleryScreen(run.path, app.screen.history))
        words = words.replace("picture", "prompt and seed").replace("/", " of ")
        await until(pilot, lambda: f" · {words} · seed 0" in screen_text(app))
