"""A run whose pictures went away: the screen asks where they are now, and the run starts from there."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest

from loratui.app import LoratuiApp
from tests.loratui.screens.conftest import at, until
from tests.loratui.screens.monitor.bad_ends import ended
from tests.loratui.screens.monitor.test_trouble import NAME, SilentPopen, opened, words
from tests.trainer.conftest import draw_dataset, make_config
from trainer.contract.run.events import EventLog
from trainer.contract.settings.config import dump_config, load_config

pytestmark = pytest.mark.slow


@pytest.mark.usefixtures("warm_trainer")
async def test_pictures_that_went_away_are_found_again_by_a_key(
    own_place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`f` after a start that found no folder asks where the pictures are now; a place that is none is not taken."""
    monkeypatch.setattr(subprocess, "Popen", SilentPopen)
    run = ended(own_place / "runs" / NAME, "data", steps=0)
    gone, here = own_place / "photos-gone", draw_dataset(own_place / "here")
    run.config.write_text(dump_config(make_config(gone, model__base="sdxl-small")))
    log = EventLog(run.events)
    log.emit(
        "error", kind="data", message=f"there is no folder '{gone}' that you may look into", advice=[], pictures=[]
    )
    log.close()
    app = LoratuiApp(run=run)
    async with app.run_test() as pilot:
        screen = await opened(pilot)
        assert screen.remedies[0].title == "say where the pictures are now"
        await pilot.press("enter")
        editor = await at(pilot, "LineEditor")
        editor.query_one("Input").value = str(gone)
        await pilot.press("enter")
        await pilot.pause()
        assert app.screen is editor and "there is no folder" in words(app)
        editor.query_one("Input").value = str(here)
        await pilot.press("enter")
        monitor = await at(pilot, "MonitorScreen")
        await until(pilot, lambda: monitor.state == "starting")
        assert load_config(run.config).dataset.path == str(here)
        os.kill(monitor._restart.pid, signal.SIGKILL)
