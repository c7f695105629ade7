"""What a result names as a way on is a key that works, whatever the end and whatever was saved."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from loratui.runs.possible import possible
from tests.loratui.screens.conftest import at, screen_text, until
from tests.loratui.screens.results.test_result import make_run, result

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
