"""Stop, abort and the other commands of the monitor: what they say before, and that each is answered."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from loratui.app import LoratuiApp
from loratui.events.history import History
from loratui.runs.find import run_info
from loratui.screens.monitor.ending import asked_words, late_words, stop_question
from tests.loratui.screens.conftest import SIZES, assert_snapshot, at, screen_text, until
from tests.loratui.screens.monitor.bad_ends import ended
from trainer.contract.run.control import Inbox
from trainer.contract.run.lock import RunLock
from trainer.contract.run.rundir import RunDir

NAME = "2026-11-23-1000-dog"


def alive(folder: Path, steps: int = 40, **own: Any) -> tuple[RunDir, RunLock]:
    """A run at `steps` of 100 whose trainer holds the lock."""
    run = ended(folder / "runs" / NAME, "crash", steps, **own)
    return run, RunLock(run.lock)


def append(run: RunDir, *events: dict[str, Any]) -> None:
    with run.events.open("a") as log:
        for place, event in enumerate(events):
            log.write(json.dumps({"t": 1795428200 + 3 * place, **event}) + "\n")


@pytest.mark.slow
@pytest.mark.parametrize("size", SIZES)
async def test_a_stop_says_exactly_what_it_leaves_behind(own_place: Path, size: tuple[int, int]) -> None:
    run, lock = alive(own_place, train__keep_checkpoints=1)
    save = {"type": "phase", "name": "save"}
    append(run, {**save, "done": 0, "total": 1}, {**save, "done": 1, "total": 1})
    app = LoratuiApp(run=run)
    async with app.run_test(size=size) as pilot:
        await at(pilot, "MonitorScreen")
        await pilot.press("x")
        await at(pilot, "Confirm")
        assert_snapshot(app, "stop")
    lock.release()


@pytest.mark.slow
@pytest.mark.parametrize("size", SIZES)
async def test_an_abort_says_what_is_lost_and_is_asked_carefully(own_place: Path, size: tuple[int, int]) -> None:
    run, lock = alive(own_place)
    app = LoratuiApp(run=run)
    async with app.run_test(size=size) as pilot:
        await at(pilot, "MonitorScreen")
        await pilot.press("X")
        await at(pilot, "Confirm")
        assert_snapshot(app, "abort")
        await pilot.press("enter")  # the cursor stands on the harmless answer
        await at(pilot, "MonitorScreen")
        assert Inbox(run).take() == []
        await pilot.press("X")
        await at(pilot, "Confirm")
        await pilot.press("tab", "enter")
        await at(pilot, "MonitorScreen")
        assert [one.cmd for one in Inbox(run).take()] == ["abort"]
    lock.release()


async def test_while_preparing_a_stop_says_that_nothing_is_written(own_place: Path) -> None:
    run, lock = alive(own_place, steps=0)
    append(run, {"type": "phase", "name": "cache", "done": 2, "total": 5})
    app = LoratuiApp(run=run)
    async with app.run_test() as pilot:
        await at(pilot, "MonitorScreen")
        await pilot.press("x")
        await at(pilot, "Confirm")
        text = screen_text(app)
        assert "is preparing the pictures and has taken no step" in text
        assert "a stop writes no checkpoint and no files" in text and "export/" not in text
        await pilot.press("escape", "X")
        await at(pilot, "Confirm")
        assert "nothing that was trained" in screen_text(app)
        await pilot.press("escape", "c")
        await until(
            pilot, lambda: "save: asked; done at the first step (preparing the pictures now)" in screen_text(app)
        )
    lock.release()


@pytest.mark.slow
async def test_without_a_checkpoint_an_abort_loses_everything_and_says_so(own_place: Path) -> None:
    run, lock = alive(own_place, steps=12)
    app = LoratuiApp(run=run)
    async with app.run_test() as pilot:
        await at(pilot, "MonitorScreen")
        await pilot.press("X")
        await at(pilot, "Confirm")
        assert "everything that was trained: 12 steps, about 6 s of work;" in screen_text(app)
    lock.release()


@pytest.mark.parametrize("saved", [0, 30])
async def test_a_trainer_that_was_started_anew_and_says_nothing_yet_is_not_where_the_last_one_was(
    own_place: Path, saved: int
) -> None:
    """In the monitor, its two questions, and the list of runs alike: the steps of the start before are not its own."""
    run = ended(own_place / "runs" / NAME, "crash", 40)
    if not saved:
        shutil.rmtree(run.checkpoints)
    assert run_info(run).state == "crashed"
    launch = RunLock(run.claim)  # as the launcher holds it until the trainer is up
    assert (run_info(run).state, run_info(run).step) == ("starting", saved)
    lock = RunLock(run.lock, silent=True)
    app = LoratuiApp(run=run)
    async with app.run_test() as pilot:
        await at(pilot, "MonitorScreen")
        assert f"starting  {NAME}" in screen_text(app) and "40 of 100" not in screen_text(app)
        await pilot.press("x")
        await at(pilot, "Confirm")
        words = screen_text(app)
        assert "starting and has taken no step since its start" in words and "step 40" not in words
        assert ("step-000030" in words) == bool(saved)
        await pilot.press("escape", "X")
        await at(pilot, "Confirm")
        assert "nothing that was trained" in screen_text(app)
        await pilot.press("escape")
        assert (run_info(run).state, run_info(run).step) == ("starting", saved)
        append(run, {"type": "run", "v": 1, "name": "dog", "steps": 100, "resumed_from": saved or None})
        lock.speak()
        await until(pilot, lambda: f"step {saved} of 100" in screen_text(app))
        assert (run_info(run).state, run_info(run).step) == ("training", saved)
    lock.release()
    assert run_info(run).state == "starting"  # of these events the clock is older than the claim
    launch.release()
    assert run_info(run).state == "crashed"


def test_what_is_said_of_a_command_follows_what_the_trainer_does() -> None:
    history = History()
    assert asked_words("save", history, "starting") == "save: asked; done at the first step (starting now)"
    history.absorb([{"type": "run", "t": 0, "name": "dog", "steps": 9}])
    history.absorb([{"type": "phase", "t": 0, "name": "sample", "done": 1, "total": 4}])
    assert asked_words("pause", history, "training") == "pause: asked; done when the pictures are drawn"
    assert "it is drawing pictures now" in late_words("pause", history, "training")
    history.absorb([{"type": "step", "t": 1, "step": 1, "loss": 0.1}])
    assert asked_words("pause", history, "training") == "pause: asked; done after the current step"
    late = late_words("pause", history, "training")
    assert late == "pause: no answer yet; the trainer looks at commands between two steps"
    assert late_words("pause", history, "crashed") == "pause: not done: no trainer works on the run any more"


PAUSED = {"type": "command", "id": "1-pause", "cmd": "pause", "ok": True, "message": "the run waits"}


async def test_a_run_killed_while_paused_is_resumed_as_one_that_is_over(own_place: Path) -> None:
    """What its log says of the pause asks nobody for anything: the state does, in the lists and here."""
    run = ended(own_place / "runs" / NAME, "crash", 40)
    append(run, PAUSED)
    app = LoratuiApp(run=run)
    async with app.run_test() as pilot:
        await at(pilot, "MonitorScreen")
        await until(pilot, lambda: "o Resume" in screen_text(app))
        await pilot.press("o")
        await at(pilot, "Confirm")
        assert not Inbox(run).waiting()
        await pilot.press("escape")


@pytest.mark.parametrize(("key", "window"), [("x", "Confirm"), ("X", "Confirm"), ("a", "AddPrompt")])
async def test_a_question_closes_when_its_run_ends_meanwhile(own_place: Path, key: str, window: str) -> None:
    run, lock = alive(own_place)
    app = LoratuiApp(run=run)
    async with app.run_test() as pilot:
        await at(pilot, "MonitorScreen")
        await pilot.press(key)
        await at(pilot, window)
        append(run, {"type": "end", "status": "completed", "step": 40, "seconds": 20})
        lock.release()
        await at(pilot, "MonitorScreen")
        await pilot.press("y")
        await until(pilot, lambda: "the question is closed: no trainer works on the run any more" in screen_text(app))
        assert not Inbox(run).waiting()


@pytest.mark.parametrize("key", ["x", "X"])
async def test_a_question_that_stays_open_says_what_holds_now(own_place: Path, key: str) -> None:
    """A night later its step is not that of the evening; from the first step on a stop writes files."""
    run, lock = alive(own_place)
    app = LoratuiApp(run=run)
    async with app.run_test(size=(120, 36)) as pilot:
        await at(pilot, "MonitorScreen")
        await pilot.press(key)
        await at(pilot, "Confirm")
        assert "1040" not in screen_text(app)
        append(run, {"type": "step", "step": 1040, "loss": 0.1, "grad_norm": 1.0, "s": 0.5})
        await until(pilot, lambda: "1040" in screen_text(app))
        assert type(app.screen).__name__ == "Confirm"
        await pilot.press("escape")
    lock.release()


async def test_nothing_is_sent_to_a_trainer_that_is_gone(own_place: Path) -> None:
    """Also where the screen does not know it yet: between two looks, or under a window."""
    run, lock = alive(own_place)
    append(run, PAUSED)
    app = LoratuiApp(run=run)
    async with app.run_test(size=(120, 36)) as pilot:
        screen = await at(pilot, "MonitorScreen")
        lock.release()
        screen.alive = True
        for cmd in ("save", "sample", "pause", "resume", "stop", "abort"):
            screen.action_send(cmd)
            said = f"{cmd}: not sent: no trainer works on the run any more"
            assert screen.history.messages[-1].text == said
        assert not Inbox(run).waiting()


@pytest.mark.parametrize("size", [(60, 20), (80, 24), (120, 36)])
async def test_what_is_said_before_an_end_is_true_of_a_pause_and_fits_the_window(
    own_place: Path, size: tuple[int, int]
) -> None:
    """Paused there is no step after; an abort ends at once, as the trainer's answer says; no line breaks twice."""
    run, lock = alive(own_place)
    app = LoratuiApp(run=run)
    async with app.run_test(size=size) as pilot:
        screen = await at(pilot, "MonitorScreen")
        for state in ("training", "paused"):
            if state == "paused":
                append(run, PAUSED)
            await until(pilot, lambda state=state: screen.state == state)
            paused = state == "paused"
            stop = str(stop_question(screen.history, run, state)._body)
            assert ("the step after" in stop or "about step" in stop) != paused
            await pilot.press("X")
            await at(pilot, "Confirm")
            said = " ".join(screen_text(app).replace("│", " ").split())
            assert ("is paused; it" if paused else "finishes its step, then") + " ends at once" in said
            await pilot.press("escape")
        begun = str(stop_question(History(), run, "starting")._body).splitlines()[0]
        assert begun.endswith("a stop writes no checkpoint and no files.")
    lock.release()
