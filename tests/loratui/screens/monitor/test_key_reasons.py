"""Keys of the monitor and of Fix: each says what it does now, or why it can do nothing."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from textual.actions import parse

from loratui.app import LoratuiApp
from loratui.errors import Refusal
from loratui.runs.inbox import ask
from loratui.screens.monitor.run_words import HELP
from loratui.screens.monitor.trouble_words import DOES, does
from tests.loratui.screens.conftest import at, screen_text, until
from tests.loratui.screens.monitor.bad_ends import ERRORS, ended
from tests.loratui.screens.monitor.test_trouble import opened, words
from tests.trainer.conftest import make_config, make_run
from trainer.contract.run.lock import RunLock
from trainer.contract.run.rundir import RunDir

NAME = "2026-11-23-1000-dog"
KEYS = re.findall(r"(?:^|\s{2,})(\w|enter)(?= {2,}\S)", HELP, re.M)  # those that have no other key beside them


def run_in(folder: Path, state: str) -> RunDir:
    if state == "new":
        return make_run(folder / "runs" / NAME, make_config(folder))
    run = ended(folder / "runs" / NAME, "crash")
    if state not in ("crashed", "training"):
        events = (
            [{"type": "command", "id": "1", "cmd": "abort", "ok": True, "message": ""}] if state == "aborted" else []
        )
        events.append({"type": "end", "status": "stopped", "step": 40, "seconds": 1, "files": []})
        with run.events.open("a") as log:
            log.writelines(json.dumps({"t": 1795430000, **one}) + "\n" for one in events)
    return run


@pytest.mark.parametrize("size", [(80, 24), (120, 36)])
@pytest.mark.parametrize("state", ["aborted", "crashed", "new", "training"])
async def test_a_key_does_something_or_says_why_not(own_place: Path, state: str, size: tuple[int, int]) -> None:
    assert len(KEYS) > 12
    run = run_in(own_place, state)
    lock = RunLock(run.lock) if state == "training" else None
    app = LoratuiApp(run=run)
    said = []
    async with app.run_test(size=size, notifications=True) as pilot:
        screen = await at(pilot, "MonitorScreen")
        await until(pilot, lambda: screen.state == state and f"{state}  {NAME}" in screen_text(app))
        shown = screen_text(app)
        for key in KEYS:
            bound = [parse(one.action)[1:] for one in screen._bindings.key_to_bindings[key]]
            if any(screen.check_action(*one) for one in bound):
                continue
            app.clear_notifications()
            await pilot.press(key)
            assert len(app._notifications) == 1, key
            words = next(iter(app._notifications)).message
            assert words, key
            said.append(f"{key} {words}")
        if said:
            await until(pilot, lambda: said[-1].partition(" ")[2] in screen_text(app))
    assert ("It was never started. o starts it." in shown) == (state == "new")
    if state == "training":
        assert "f it is training" in said and "o it is training" in said and "enter it is training" in said
        lock.release()
    else:
        assert {f"{key} it is {state}" for key in "spcxXa"} <= set(said)


@pytest.mark.parametrize("key", ["o", "enter"])
async def test_what_was_never_started_is_started_and_not_resumed(own_place: Path, key: str) -> None:
    """One word: in the line of keys, in the question and its answer, in what a command says."""
    run = run_in(own_place, "new")
    app = LoratuiApp(run=run)
    async with app.run_test() as pilot:
        await at(pilot, "MonitorScreen")
        await until(pilot, lambda: "o Start " in screen_text(app) and "Resume" not in screen_text(app))
        await pilot.press(key)
        await at(pilot, "Confirm")
        text = screen_text(app)
        assert f"Start {NAME}?" in text and "Start training" in text
        assert not re.search("again|resume", text, re.I)
        await pilot.press("escape")
    with pytest.raises(Refusal, match=r"there is nothing to stop\. Start it with: loratui resume"):
        ask(run, "stop")


@pytest.mark.parametrize("kind", sorted({*ERRORS, "crash"}))
async def test_the_line_of_keys_says_what_enter_does_on_each_row(own_place: Path, kind: str) -> None:
    """The word and the text above it speak of one deed: to open something, to begin a new run, to start again."""
    app = LoratuiApp(run=ended(own_place / "runs" / NAME, kind))
    async with app.run_test(size=(120, 36)) as pilot:
        screen = await opened(pilot)
        await pilot.press("home")
        for remedy in screen.remedies:
            await until(pilot, lambda remedy=remedy: screen.chosen is remedy)
            said = DOES[does(remedy)]
            await until(pilot, lambda said=said: f"enter {said} " in screen_text(app))
            others = [one for one in DOES.values() if f"enter {one} " in screen_text(app) and one != said]
            assert not others and ("Change" in said) == (bool(remedy.changes) and remedy.goes != "new run")
            assert ("Enter opens" in words(app)) == (said.split()[0] in ("Choose", "Name", "Look", "See"))
            assert ("begins a new run" in words(app)) == ("new run" in said)
            await pilot.press("down")
