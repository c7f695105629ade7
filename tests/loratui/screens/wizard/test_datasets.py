"""A data set in the wizard: its caption column asked for, its pictures checked as any others."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from textual.widgets import Input

from loratui.app import LoratuiApp
from loratui.settings.drafts.draft import Draft
from tests.datasets_made import parquet_folder, table
from tests.loratui.screens.conftest import at, screen_text, until

pytestmark = pytest.mark.slow

SLOW = 120.0  # seconds: a process of its own loads pyarrow, on a machine that does other things too
pytest.importorskip("datasets", reason="needs the extra 'datasets'")


@pytest.mark.usefixtures("warm_trainer")
async def test_the_caption_column_is_asked_for_and_kept(wizard: Callable[..., LoratuiApp], own_place: Path) -> None:
    parquet_folder(own_place / "icons", table(column="text"))
    app = wizard(Draft(step=1, values={"dataset.path": "icons"}))
    async with app.run_test(size=(120, 36)) as pilot:
        await at(pilot, "WelcomeScreen")
        await pilot.press("enter")
        await until(pilot, lambda: type(app.screen).__name__ == "LineEditor", SLOW)
        await until(pilot, lambda: [one.value for one in app.screen.query(Input)] == ["text"])  # once it is composed
        await pilot.press("enter")
        await until(pilot, lambda: "a TOK blob, number 3" in screen_text(app), SLOW)
        assert "000001.jpg" in screen_text(app)
        assert app.draft.values["dataset.caption_column"] == "text"
        assert app.draft.values["dataset.path"] == "icons"
