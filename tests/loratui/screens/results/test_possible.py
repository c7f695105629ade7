"""What a result names as a way on is a key that works, whatever the end and whatever was saved."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from loratui.app import LoratuiApp
from loratui.runs.possible import possible
from loratui.screens.results.runs import RunsScreen
from tests.loratui.screens.conftest import at, screen_text, until
from tests.loratui.screens.results.test_result import make_run, result
from trainer.contract.settings.config import TrainConfig, dump_config

Wizard = Callable[..., LoratuiApp]

pytestmark = pytest.mark.slow

ENDS = {  # of runs that have a result: how a run ended, whether it saved a checkpoint -> the keys that its result names
    ("failed", True): "efo",
    ("stopped", True): "eo",
    ("completed", False): "",
    ("completed", True): "e",
}


@pytest.mark.parametrize(("status", "saved"), ENDS)
async def test_every_key_that_is_named_works(own_place: Path, status: str, saved: bool) -> None:
    run = make_run(own_place / "runs" / "x")
    shutil.rmtree(run.export)
    if not saved:
        shutil.rmtree(run.checkpoints)
    lines = run.events.read_text().replace('"status": "completed"', f'"status": "{status}"')
    run.events.write_text(lines)
    run.log.touch()
    async with result(run, (120, 36)) as (app, pilot, _):
        named = re.findall(r"^│   (\w)  ", screen_text(app), re.MULTILINE)
        assert "".join(named) == ENDS[status, saved]
        keys = screen_text(app).splitlines()[-1]
        for key in named:
            assert f" {key} " in keys
            await pilot.press(key)
            await until(pilot, lambda: type(app.screen).__name__ in ("Chooser", "TroubleScreen", "Confirm"))
            await pilot.press("escape")
            await at(pilot, "ResultScreen")
        for key, deed in {"e": "export", "f": "fix", "o": "go_on", "l": "longer", "u": "push", "b": "build_on"}.items():
            if key not in named and (why := possible(run).why_not(deed)):
                await pilot.press(key)
                await until(pilot, lambda why=why: f"✗ {why}" in screen_text(app))


async def test_a_run_that_was_never_started_is_started_and_not_resumed(wizard: Wizard, own_place: Path) -> None:
    ended = make_run(own_place / "runs" / "ended")
    ended.events.write_text(ended.events.read_text().replace('"status": "completed"', '"status": "stopped"'))
    never = own_place / "runs" / "never"
    never.mkdir()
    (never / "config.toml").write_text(dump_config(TrainConfig()))
    words = {}
    app = wizard()
    async with app.run_test(size=(120, 36)) as pilot:
        await at(pilot, "WelcomeScreen")
        app.push_screen(screen := RunsScreen(own_place / "runs"))
        await until(pilot, lambda: "2 runs" in screen_text(app))
        for _ in range(2):
            await pilot.pause()
            assert screen.kept_run is not None
            words[screen.kept_run.path.name] = screen_text(app).splitlines()[-1]
            await pilot.press("down")
    assert " o Start" in words["never"] and " o Resume" not in words["never"]
    assert " o Resume" in words["ended"] and " o Start" not in words["ended"]
