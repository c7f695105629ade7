"""The screen for a run that ended badly: what it says, its keys, and a real run that goes on from it."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import OptionList

from loratui.app import LoratuiApp
from loratui.recovery.remedy import KINDS
from loratui.runs.launch import start
from loratui.screens.monitor.run_words import TITLES
from tests.loratui.screens.conftest import HOSTILE, SIZES, assert_snapshot, at, screen_text, until
from tests.loratui.screens.monitor.bad_ends import ended
from tests.trainer.conftest import draw_dataset, make_config, make_run, train
from tests.warm.client import WarmPopen
from trainer.contract.run import exits
from trainer.contract.run.events import Tail
from trainer.contract.run.lock import lock_holder
from trainer.contract.run.rundir import RunDir
from trainer.contract.settings.config import load_config

pytestmark = pytest.mark.slow

NAME = "2026-11-23-1000-dog"


class SilentPopen(WarmPopen):
    """A trainer that is started so stands still (SIGSTOP) before its first word."""

    def _execute_child(self, args: Any, *more: Any) -> None:  # type: ignore[override]
        super()._execute_child(args, *more)
        if "trainer" in args:
            os.kill(self.pid, signal.SIGSTOP)


async def opened(pilot: Pilot[Any]) -> Any:
    """The screen, as a person comes to it: from the monitor, by f."""
    await at(pilot, "MonitorScreen")
    await pilot.press("f")
    return await at(pilot, "TroubleScreen")


def words(app: LoratuiApp) -> str:
    """The screen's text without its line ends."""
    return " ".join(screen_text(app).split())


def test_every_kind_of_bad_end_has_a_title() -> None:
    assert set(TITLES) == {*KINDS, "crash"}


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("kind", ["oom", "nan", "crash"])
async def test_each_face_says_what_happened_and_what_to_change(
    own_place: Path, kind: str, size: tuple[int, int]
) -> None:
    app = LoratuiApp(run=ended(own_place / "runs" / NAME, kind, train__gradient_checkpointing=kind != "oom"))
    async with app.run_test(size=size) as pilot:
        await opened(pilot)
        assert_snapshot(app, f"trouble-{kind}")


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("disk", ("disk full", "Free now in ~/runs/", "optimizer state of 1 checkpoint, not of 9")),
        ("data", ("failed", "it is cut short", "skip dog_3.png", "begin again with what is there now")),
        ("exception", ("failed", "something new", "change nothing, resume")),
    ],
)
async def test_the_other_bad_ends_have_their_words(own_place: Path, kind: str, said: tuple[str, ...]) -> None:
    app = LoratuiApp(run=ended(own_place / "runs" / NAME, kind))
    async with app.run_test() as pilot:
        await opened(pilot)
        text = screen_text(app)
        assert [one for one in said if one not in text] == []
        assert "Enter starts again at step 30 of 100" in words(app)


async def test_every_key_of_the_screen(own_place: Path) -> None:
    run = ended(own_place / "runs" / NAME, "oom", train__gradient_checkpointing=False)
    before = {path: path.read_bytes() for path in run.path.rglob("*") if path.is_file()}
    app = LoratuiApp(run=run)
    async with app.run_test() as pilot:
        screen = await opened(pilot)
        assert "Memory about 11.2 GB in place of 31.9 GB" in words(app)
        await pilot.press("down")
        assert "batch 4 to 2" in screen.chosen.title
        assert "Memory about 20.4 GB" in words(app)
        await pilot.press("end", "up")
        assert screen.chosen.title == "change nothing, resume"
        for key, name, said in (("l", "Reader", "torch.OutOfMemoryError"), ("f1", "Help", "Help: Fix")):
            await pilot.press(key)
            await at(pilot, name)
            assert said in screen_text(app)
            await pilot.press("escape")
            await at(pilot, "TroubleScreen")
        for key in ("q", "escape"):
            await pilot.press(key)
            await at(pilot, "MonitorScreen")
            assert "✗ failed" in screen_text(app)
            await pilot.press("f")
            await at(pilot, "TroubleScreen")
    assert {path: path.read_bytes() for path in run.path.rglob("*") if path.is_file()} == before


async def test_the_cursor_stands_on_the_mildest_that_fits_the_gpu(own_place: Path) -> None:
    app = LoratuiApp(run=ended(own_place / "runs" / NAME, "oom", train__batch=64, train__gradient_checkpointing=True))
    async with app.run_test() as pilot:
        screen = await opened(pilot)
        first = screen.remedies[0]
        assert first.title == "batch 64 to 32, accumulation 1 to 2" and not first.fits(screen.case.room)
        assert screen.chosen.title == "batch 64 to 1, accumulation 1 to 64" and screen.chosen.fits(screen.case.room)
        await pilot.press("home")
        assert "most likely still too much" in words(app)


async def test_f_is_there_only_for_a_bad_end(own_place: Path) -> None:
    run = ended(own_place / "runs" / NAME, "crash")
    with run.events.open("a") as log:
        log.write('{"t": 1795429999, "type": "end", "status": "stopped", "step": 40, "seconds": 20, "files": []}\n')
    app = LoratuiApp(run=run)
    async with app.run_test() as pilot:
        await at(pilot, "MonitorScreen")
        await pilot.press("f")
        await pilot.pause()
        assert type(app.screen).__name__ == "MonitorScreen"


async def test_hostile_names_and_logs_are_inert(own_place: Path) -> None:
    run = ended(own_place / "runs" / NAME, "nan")
    text = run.events.read_text().replace('"dog_1.png"', '"\\u001b[31m[@click=app.quit()]x[/].png"')
    run.events.write_text(text)
    run.log.write_text(HOSTILE)
    app = LoratuiApp(run=run)
    async with app.run_test(size=(120, 36)) as pilot:
        await opened(pilot)
        await pilot.press("end", "up")
        shown = screen_text(app)
        assert "skip " in shown and "[@click=app.quit()]x[/].png" in shown
        assert not set(shown) & {"\x1b", "\x07", "\x9b"}


@pytest.mark.parametrize("key", ["enter", "f2"])
async def test_what_cannot_be_started_is_said_and_changes_nothing(own_place: Path, key: str) -> None:
    run = ended(own_place / "runs" / NAME, "oom", train__gradient_checkpointing=False)
    run.answers.write_text("half a line of")
    before = run.config.read_bytes()
    app = LoratuiApp(run=run)
    async with app.run_test() as pilot:
        await opened(pilot)
        await pilot.press(key)
        await until(pilot, lambda: "✗ answers.toml:1: not valid TOML" in screen_text(app))
        assert type(app.screen).__name__ == "TroubleScreen"
    assert run.config.read_bytes() == before
    assert not run.changes.exists()


async def test_a_click_chooses_and_starts_nothing(own_place: Path) -> None:
    run = ended(own_place / "runs" / NAME, "oom", train__gradient_checkpointing=False)
    app = LoratuiApp(run=run)
    async with app.run_test() as pilot:
        screen = await opened(pilot)
        await pilot.click("#remedies", offset=(4, 3))
        await pilot.pause()
        assert screen.chosen is screen.remedies[2] and type(app.screen).__name__ == "TroubleScreen"
    assert not run.changes.exists()


@pytest.mark.usefixtures("warm_trainer")
async def test_a_trainer_that_dies_before_it_speaks_is_told(own_place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subprocess, "Popen", SilentPopen)
    run = ended(own_place / "runs" / NAME, "exception")
    app = LoratuiApp(run=run)
    async with app.run_test() as pilot:
        await opened(pilot)
        await pilot.press("enter")
        screen = await at(pilot, "MonitorScreen")
        assert screen.state == "starting"
        os.kill(screen._restart.pid, signal.SIGKILL)
        await until(pilot, lambda: "✗ failed" in screen_text(app))
        await pilot.press("l")
        await at(pilot, "Reader")
        assert "could not start again (exit code -9)" in screen_text(app)


@pytest.mark.usefixtures("warm_trainer")
async def test_a_base_model_that_is_not_there_is_chosen_anew(own_place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`f` after a start that failed for want of its base model leads to the list of base models."""
    monkeypatch.setattr(subprocess, "Popen", SilentPopen)
    run = ended(own_place / "runs" / NAME, "base", steps=0)
    app = LoratuiApp(run=run)
    async with app.run_test() as pilot:
        screen = await opened(pilot)
        assert [one.title for one in screen.remedies][:1] == ["choose the base model"]
        assert "Enter opens the list of base models" in words(app)
        await pilot.press("enter")
        chooser = await at(pilot, "BaseModelScreen")
        await until(pilot, lambda: "sdxl-small" in chooser._seen)
        await pilot.press("escape")
        assert await at(pilot, "TroubleScreen") is screen
        await pilot.press("enter")
        chooser = await at(pilot, "BaseModelScreen")
        await until(pilot, lambda: "sdxl-small" in chooser._seen)
        chooser.query_one("#models", OptionList).highlighted = chooser._values.index("sdxl-small")
        await pilot.press("enter")
        monitor = await at(pilot, "MonitorScreen")
        await until(pilot, lambda: monitor.state == "starting")
        assert load_config(run.config).model.base == "sdxl-small"
        os.kill(monitor._restart.pid, signal.SIGKILL)


@pytest.mark.parametrize(
    ("kind", "title", "said"),
    [
        ("disk", "see what takes the room", ("free in ~/runs", "checkpoints", "the newest", "Nothing is removed")),
        ("exception", "look at this machine", ("python", "torch", "disk here")),
    ],
)
async def test_a_remedy_that_looks_opens_what_it_names(
    own_place: Path, kind: str, title: str, said: tuple[str, ...]
) -> None:
    app = LoratuiApp(run=ended(own_place / "runs" / NAME, kind))
    async with app.run_test() as pilot:
        screen = await opened(pilot)
        listed = screen.query_one("#remedies", OptionList)
        listed.highlighted = [one.title for one in screen.remedies].index(title)
        await pilot.press("enter")
        await at(pilot, "Reader")
        assert all(one in words(app) for one in said), words(app)
        await pilot.press("escape")
        assert await at(pilot, "TroubleScreen") is screen


# -- real runs ---------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("warm_trainer")
async def test_commands_are_answered_and_a_killed_run_goes_on_by_two_keys(
    own_place: Path, monkeypatch: pytest.MonkeyPatch, hold_back: Callable[[RunDir], None]
) -> None:
    folder = draw_dataset(own_place / "photos")
    own = make_config(folder, train__steps=5000, train__checkpoint_every=0, sample__steps=1)
    run = make_run(own_place / "runs" / NAME, own)
    pid = start(run)
    speaks = time.monotonic() + 60
    while not run.events.exists() or not run.events.stat().st_size:
        assert time.monotonic() < speaks
        time.sleep(0.005)
    os.kill(pid, signal.SIGSTOP)  # it prepares until a key was pressed
    hold_back(run)
    app = LoratuiApp(run=run)

    async def says(said: str, seconds: float = 60) -> None:
        await until(pilot, lambda: said in screen_text(app), seconds)

    async with app.run_test(size=(120, 50)) as pilot:
        screen = await at(pilot, "MonitorScreen")
        await until(pilot, lambda: bool(screen.history.run), 120)
        await pilot.press("p")  # while it prepares: done at the first step
        await until(pilot, lambda: any(run.control.iterdir()))
        os.kill(pid, signal.SIGCONT)
        await says("✓ pause: the run waits", 120)
        for key, said in (("c", "✓ save: saved at step 0"), ("s", "✓ sample: 1 picture at step 0")):  # while paused
            await pilot.press(key)
            await says(said)
        await pilot.press("p")
        await says("✓ resume: the run goes on")
        await until(pilot, lambda: screen.history.step > 0)
        await pilot.press("c")
        await until(pilot, lambda: len(screen.history.checkpoints) == 2 and not screen._waiting)
        os.kill(pid, signal.SIGKILL)
        await says("✗ crashed")
        await pilot.press("f")
        trouble = await at(pilot, "TroubleScreen")
        assert "ended by signal 9 (SIGKILL)" in screen_text(app)
        remedy = trouble.remedies[0]
        assert remedy.step == screen.history.checkpoints[-1]["step"] > 0
        monkeypatch.setattr(subprocess, "Popen", SilentPopen)
        await pilot.press("enter")
        assert await at(pilot, "MonitorScreen") is screen
        await says("◌ starting")
        os.kill(screen._restart.pid, signal.SIGCONT)
        await says(f"resumed from step {remedy.step}", 120)
        await until(pilot, lambda: screen.history.step > remedy.step, 120)
        await pilot.press("X")
        await at(pilot, "Confirm")
        await pilot.press("tab", "enter")
        await says("✓ abort: the run ends at once")
        await says("■ aborted")
        assert screen._waiting == {}
        await until(pilot, lambda: lock_holder(run.lock) is None)  # let go of after its last word
    events = Tail(run.events).read()
    assert [event["resumed_from"] for event in events if event["type"] == "run"] == [None, remedy.step]
    answered = [event["cmd"] for event in events if event["type"] == "command"]
    assert answered == ["pause", "save", "sample", "resume", "save", "abort"]
    assert not run.export.exists()


@pytest.mark.usefixtures("warm_trainer")
async def test_a_run_that_ran_away_goes_on_from_before_at_a_calmer_rate(own_place: Path) -> None:
    folder = draw_dataset(own_place / "photos")
    own = make_config(
        folder,
        train__optimizer="adamw",
        train__learning_rate=10.0,
        train__weight_decay=1.0,  # p - rate * p: once the rate is above 2, every step makes the LoRA larger
        train__warmup_steps=40,
        train__steps=20,
        train__checkpoint_every=1,
        train__keep_checkpoints=99,
    )
    run = make_run(own_place / "runs" / NAME, own)
    train(run, code=exits.FAILED)
    app = LoratuiApp(run=run)
    async with app.run_test() as pilot:
        screen = await at(pilot, "MonitorScreen")
        await until(pilot, lambda: "✗ failed" in screen_text(app))
        assert screen.history.error["kind"] == "nan"
        newest = screen.history.step
        await pilot.press("f")
        trouble = await at(pilot, "TroubleScreen")
        assert "the training ran away" in screen_text(app)
        chosen = trouble.chosen
        assert chosen.back and 1 <= chosen.step < newest and chosen.changes["train.learning_rate"] == 1e-4
        await pilot.press("enter")
        await at(pilot, "MonitorScreen")
        await until(pilot, lambda: "✓ completed" in screen_text(app), 120)
    second = [event for event in Tail(run.events).read() if event["type"] == "run"][1]
    assert second["resumed_from"] == chosen.step
    assert [one["key"] for one in second["changed"]] == ["train.learning_rate", "train.embedding_learning_rate"]
    assert load_config(run.config).train.learning_rate == 1e-4
    assert load_config(run.path / "config.1.toml").train.learning_rate == 10
    assert (run.checkpoints / f"aside-{newest:06d}").is_dir()
