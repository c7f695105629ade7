"""A run that is watched teaches the estimate: at its first steps, and at its end."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from loratui.app import LoratuiApp
from loratui.planning.past_runs import FILE
from tests.loratui.planning.measured_runs import write_run
from tests.loratui.screens.conftest import at, until
from trainer.contract.run.events import EventLog


def rows() -> list[dict[str, Any]]:
    path = Path(os.environ["XDG_STATE_HOME"]) / "loratui" / FILE
    return json.loads(path.read_text())["runs"] if path.exists() else []


@pytest.mark.slow
async def test_the_monitor_counts_the_first_steps_and_the_end(own_place: Path) -> None:
    run = write_run(own_place / "runs/a", steps=6, end=False)
    log = EventLog(run.events)
    app = LoratuiApp(run=run)
    async with app.run_test() as pilot:
        screen = await at(pilot, "MonitorScreen")
        screen.pull()
        await pilot.pause()
        assert screen.history.step == 6 and not rows()  # too few to say anything
        for step in range(7, 15):
            log.emit("step", step=step, loss=0.1, s=0.5, vram=1, vram_peak=1)
        await until(pilot, lambda: len(rows()) == 1)
        assert rows()[0]["steps"] == 11 and not rows()[0]["over"]
        log.emit("step", step=15, loss=0.1, s=0.5, vram=1, vram_peak=20_000_000_000)
        log.emit("end", status="completed", step=15, seconds=1.0, files=[])
        await until(pilot, lambda: rows()[0]["over"])
        assert rows()[0]["peak"] == 20_000_000_000
    log.close()
