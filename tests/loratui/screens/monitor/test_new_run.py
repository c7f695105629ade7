"""A bad end that a new run puts right: it is begun beside the old one, and watched."""

from __future__ import annotations

from pathlib import Path

import pytest

from loratui.app import LoratuiApp
from tests.loratui.screens.conftest import at, screen_text, until
from tests.loratui.screens.monitor.bad_ends import ended
from tests.loratui.screens.monitor.test_trouble import NAME, words
from tests.trainer.conftest import draw_dataset, make_config, make_run

pytestmark = pytest.mark.slow


@pytest.mark.usefixtures("warm_trainer")
async def test_a_new_run_is_begun_beside_and_watched(own_place: Path) -> None:
    folder = draw_dataset(own_place / "photos")
    run = ended(own_place / "runs" / NAME, "data")
    make_run(run.path, make_config(folder, train__steps=1, sample__steps=1))
    before = {path: path.read_bytes() for path in run.path.rglob("*") if path.is_file()}
    app = LoratuiApp(run=run)
    async with app.run_test() as pilot:
        first = await at(pilot, "MonitorScreen")
        await pilot.press("f")
        trouble = await at(pilot, "TroubleScreen")
        await pilot.press("end", "up")
        assert trouble.chosen.goes == "new run"
        assert "Enter begins a new run of 1 step beside this one" in words(app)
        await pilot.press("enter")
        await until(pilot, lambda: type(app.screen).__name__ == "MonitorScreen" and app.screen is not first)
        assert app.screen.run_dir.path.name == f"{NAME}-again"
        await until(pilot, lambda: "✓ completed" in screen_text(app), 120)
    assert {path: path.read_bytes() for path in run.path.rglob("*") if path.is_file()} == before
