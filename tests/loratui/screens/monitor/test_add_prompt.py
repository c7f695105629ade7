"""A prompt of one's own for a run that trains: typed in the monitor, judged before it is sent, kept or drawn once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from textual.widgets import Input

from loratui.app import LoratuiApp
from tests.loratui.screens.conftest import SIZES, assert_snapshot, at, fake_run, screen_text, training, until
from trainer.contract.run.added_prompts import MAX_CHARACTERS
from trainer.contract.run.control import Inbox
from trainer.contract.run.events import EventLog
from trainer.contract.run.lock import RunLock
from trainer.contract.run.rundir import RunDir


@pytest.fixture
def run(own_place: Path) -> Iterator[RunDir]:
    """A run that trains and has drawn nothing yet."""
    events = [one for one in training() if one["type"] != "sample"]
    run = fake_run(own_place / "runs" / "2026-11-23-1000-dog", events)
    run.config.write_text('[dataset]\ntrigger = "TOK"\ninstance_prompt = "a photo of a TOK dog"\n')
    lock = RunLock(run.lock)
    yield run
    lock.release()


@pytest.mark.slow
@pytest.mark.parametrize("size", SIZES)
async def test_a_prompt_is_typed_and_sent_to_be_kept(run: RunDir, size: tuple[int, int]) -> None:
    app, inbox = LoratuiApp(run=run), Inbox(run)
    async with app.run_test(size=size) as pilot:
        await at(pilot, "MonitorScreen")
        await pilot.press("a")
        await at(pilot, "AddPrompt")
        await pilot.press(*"in space")
        await pilot.pause()
        assert "a photo of a TOK dog in space" in screen_text(app)
        assert "✓ ready" in screen_text(app)
        text = screen_text(app)
        assert text.count("╭─ One more prompt") == 1
        assert "From now on    Only once" in text
        assert_snapshot(app, "add-prompt")
        await pilot.press("enter")
        await at(pilot, "MonitorScreen")
        (command,) = inbox.take()
        assert (command.cmd, command.args) == ("sample", {"prompt": "a photo of a TOK dog in space", "keep": True})
        assert "sample: asked; done after the current step" in screen_text(app)
        log = EventLog(run.events)
        log.emit("command", id=command.id, cmd="sample", ok=True, message="1 picture at step 40")
        log.close()
        await until(pilot, lambda: "✓ sample: 1 picture at step 40" in screen_text(app))


@pytest.mark.slow
async def test_a_prompt_may_be_drawn_once_or_not_at_all(run: RunDir) -> None:
    app, inbox = LoratuiApp(run=run), Inbox(run)
    async with app.run_test() as pilot:
        await at(pilot, "MonitorScreen")
        await pilot.press("a")
        await at(pilot, "AddPrompt")
        await pilot.press("tab", "tab", "enter")
        await at(pilot, "MonitorScreen")
        assert [one.args for one in inbox.take()] == [{"prompt": "a photo of a TOK dog"}]
        await pilot.press("a")
        await at(pilot, "AddPrompt")
        await pilot.press("escape")
        await at(pilot, "MonitorScreen")
        assert inbox.take() == []


@pytest.mark.slow
async def test_what_is_typed_is_judged_before_it_is_sent(run: RunDir) -> None:
    app, inbox = LoratuiApp(run=run), Inbox(run)
    async with app.run_test() as pilot:
        await at(pilot, "MonitorScreen")
        await pilot.press("a")
        screen = await at(pilot, "AddPrompt")
        line = screen.query_one(Input)
        line.value = "   "
        await pilot.press("enter")
        await pilot.pause()
        assert type(app.screen).__name__ == "AddPrompt"
        assert "✗ a prompt needs at least one word" in screen_text(app)
        line.value = "a dog [b]in[/b] space"
        await pilot.pause()
        assert "! TOK is not in it" in screen_text(app)
        line.value = "x" * (MAX_CHARACTERS + 50)
        await pilot.press("enter")
        await at(pilot, "AddPrompt" if inbox.waiting() == [] else "MonitorScreen")
        assert all(len(one.args["prompt"]) <= MAX_CHARACTERS for one in inbox.take())


async def test_an_ended_run_takes_no_prompt(own_place: Path) -> None:
    run = fake_run(own_place / "runs" / "old", training())
    app = LoratuiApp(run=run)
    async with app.run_test() as pilot:
        screen = await at(pilot, "MonitorScreen")
        await until(pilot, lambda: not screen.alive)
        await pilot.press("a")
        await pilot.pause()
        assert type(app.screen).__name__ == "MonitorScreen"
        assert "Prompt" not in screen_text(app).splitlines()[-1]


async def test_without_a_config_the_line_starts_empty(run: RunDir) -> None:
    run.config.write_text("[dataset\n")
    app = LoratuiApp(run=run)
    async with app.run_test() as pilot:
        await at(pilot, "MonitorScreen")
        await pilot.press("a")
        screen = await at(pilot, "AddPrompt")
        assert screen.query_one(Input).value == ""
