"""What Enter does on the monitor of a run that is over, and that the way out of a bad end is always seen."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from loratui.app import LoratuiApp
from loratui.runs.possible import possible
from tests.loratui.screens.conftest import at, screen_text, until
from tests.loratui.screens.monitor.bad_ends import ERRORS, ended
from trainer.contract.run.lock import RunLock
from trainer.contract.run.rundir import RunDir

NAME = "2026-11-23-1000-dog"
LOST = "\n".join(f"pictures: dog_{number}.png cannot be found in the folder of the data set" for number in range(40))


def over(folder: Path, status: str, files: bool, saved: bool) -> RunDir:
    """A run that ended so."""
    run = ended(folder / "runs" / NAME, "exception" if status == "failed" else "crash")
    if status not in ("failed", "crashed"):
        with run.events.open("a") as log:
            log.write(json.dumps({"t": 1795429999, "type": "end", "status": status, "step": 40, "seconds": 20}) + "\n")
    if not saved:
        shutil.rmtree(run.checkpoints)
    if files:
        run.export.mkdir()
        (run.export / "dog.safetensors").touch()
    return run


@pytest.mark.slow
@pytest.mark.parametrize("status", ["completed", "stopped", "failed", "crashed"])
@pytest.mark.parametrize(("files", "saved"), [(True, True), (False, True), (False, False)])
async def test_enter_leads_to_what_helps(own_place: Path, status: str, files: bool, saved: bool) -> None:
    run = over(own_place, status, files, saved)
    bad = status in ("failed", "crashed")
    result = files or saved or status == "completed"
    assert possible(run).has_result == result
    app = LoratuiApp(run=run)
    async with app.run_test() as pilot:
        await at(pilot, "MonitorScreen")
        await until(pilot, lambda: status in screen_text(app))
        assert ("enter Result" in screen_text(app)) == result
        await pilot.press("enter")
        await at(pilot, "ResultScreen" if result else "TroubleScreen" if bad else "Confirm")


@pytest.mark.slow
@pytest.mark.parametrize("size", [(80, 24), (120, 36), (60, 20)])
async def test_however_much_went_wrong_the_way_out_is_seen(
    own_place: Path, size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(
        ERRORS, "data", {"message": LOST, "advice": ["repair or skip the pictures named"], "pictures": []}
    )
    run = ended(own_place / "runs" / NAME, "data", steps=0)
    run.log.write_text(LOST + "\n")
    app = LoratuiApp(run=run)
    async with app.run_test(size=size) as pilot:
        await at(pilot, "MonitorScreen")
        await until(pilot, lambda: "loratui resume" in screen_text(app))
        shown = screen_text(app)
        assert "dog_0.png" in shown and "... and 37 more lines (l shows all)" in shown
        assert "→ repair or skip the pictures named" in shown and "→ f shows what to change" in shown
        await pilot.press("l")
        await at(pilot, "Reader")
        await pilot.press("end")
        await until(pilot, lambda: "dog_39.png" in screen_text(app))


@pytest.mark.slow
async def test_a_retry_begins_with_a_clean_view(own_place: Path) -> None:
    """In the list of what happened and in the log's end alike: what the start before said is in `l` alone."""
    run = ended(own_place / "runs" / NAME, "exception")
    run.log.write_text("words of the first start\n")
    app = LoratuiApp(run=run)

    def tell(*events: dict[str, Any]) -> None:
        with run.events.open("a") as log:
            log.writelines(json.dumps({"t": 1795430000, **one}) + "\n" for one in events)

    async with app.run_test(size=(120, 36)) as pilot:
        await at(pilot, "MonitorScreen")
        await until(pilot, lambda: "something new" in screen_text(app) and "of the first start" in screen_text(app))
        run.claim.write_text(json.dumps({"pid": 1, "host": "h", "since": 1795429999.0, "log": run.log.stat().st_size}))
        lock = RunLock(run.lock, silent=True)
        await until(pilot, lambda: "starting" in screen_text(app) and "picture at step 30" not in screen_text(app))
        assert screen_text(app).count("no steps yet") > 1
        tell({"type": "run", "v": 1, "name": "dog", "steps": 100, "resumed_from": 30})
        lock.speak()
        await until(pilot, lambda: "resumed from step 30" in screen_text(app))
        assert "something new" not in screen_text(app) and "picture at step 30" not in screen_text(app)
        assert "no steps yet" not in screen_text(app)
        with run.log.open("a") as log:
            log.write("words of the second start\n")
        tell({"type": "error", "kind": "exception", "message": "another", "advice": []})
        tell({"type": "end", "status": "failed", "step": 31, "seconds": 1, "files": []})
        lock.release()
        await until(pilot, lambda: "of the second start" in screen_text(app))
        assert "first start" not in screen_text(app)
        await pilot.press("f")
        await at(pilot, "TroubleScreen")
        await until(pilot, lambda: "of the second start" in screen_text(app))
        assert "first start" not in screen_text(app)


@pytest.mark.parametrize("log", ["", "\n \r\n"])
async def test_a_log_without_a_word_says_so(own_place: Path, log: str) -> None:
    run = ended(own_place / "runs" / NAME, "crash")
    run.log.write_text(log)
    app = LoratuiApp(run=run)
    async with app.run_test(size=(120, 36)) as pilot:
        await at(pilot, "MonitorScreen")
        await pilot.press("l", "end")
        await at(pilot, "Reader")
        await until(pilot, lambda: "The trainer wrote nothing." in screen_text(app))
