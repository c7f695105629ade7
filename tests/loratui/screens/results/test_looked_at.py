"""A run that was chosen in a list of the program: Escape goes back to the list."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest
from textual.widgets import DataTable

from loratui.runs.possible import Deed
from loratui.screens.results.result import ResultScreen
from loratui.screens.results.runs import RunsScreen
from tests.loratui.screens.conftest import at, screen_text, until
from tests.loratui.screens.results.test_runs import Wizard, make, opened


@pytest.mark.slow
async def test_escape_goes_back_to_the_list_in_which_a_run_was_chosen(wizard: Wizard, own_place: Path) -> None:
    three = [make(own_place, f"2026-11-2{day}-1000-dog", 40, "completed", day) for day in (1, 2, 3)]
    app = wizard()
    async with app.run_test() as pilot:
        await opened(pilot)
        await pilot.press("down", "enter")
        await at(pilot, "MonitorScreen")
        await pilot.press("escape")
        listed: RunsScreen = await at(pilot, "RunsScreen")
        await until(pilot, lambda: listed.query_one(DataTable).row_count == 3)
        assert listed.current is not None and listed.current.path == three[1].path  # the next is one key away
        await pilot.press("end")
        assert listed.current is not None and listed.current.path == three[0].path
        await pilot.press("escape")
        first = await at(pilot, "WelcomeScreen")
        first.query_one("#ways").highlighted = 2  # a run of the first screen
        await pilot.press("enter")
        await at(pilot, "MonitorScreen")
        await pilot.press("enter", "escape", "escape")  # its result, if it has ended, and back
        await at(pilot, "WelcomeScreen")
        assert app.is_running


@pytest.mark.slow
async def test_a_run_that_is_deleted_from_its_result_leads_back_to_the_list(wizard: Wizard, own_place: Path) -> None:
    gone, _ = [make(own_place, f"2026-11-2{day}-1000-dog", 40, "completed", day) for day in (2, 1)]
    app = wizard()
    async with app.run_test() as pilot:
        await opened(pilot, 2)
        await pilot.press("home", "enter")
        await at(pilot, "MonitorScreen")
        await pilot.press("enter")
        await at(pilot, "ResultScreen")
        await pilot.press("x", "y")
        listed: RunsScreen = await at(pilot, "RunsScreen")
        await until(pilot, lambda: listed.query_one(DataTable).row_count == 1)
    assert not gone.path.exists()


@pytest.mark.slow
async def test_what_a_result_does_with_a_run_the_list_does_too(wizard: Wizard, own_place: Path) -> None:
    make(own_place, "2026-11-21-1000-dog", 40, "failed", 1)
    app = wizard()
    async with app.run_test(size=(120, 36)) as pilot:
        listed = await opened(pilot, 1)
        assert " f Fix" in screen_text(app)
        await pilot.press("f")
        await at(pilot, "TroubleScreen")
        await pilot.press("escape")
        assert await at(pilot, "RunsScreen") is listed
        for key, words in (("e", "no checkpoint is kept"), ("u", "it has no LoRA in its export")):
            await pilot.press(key)
            await until(pilot, lambda words=words: f"✗ {words}" in screen_text(app))
        for deed in get_args(Deed):
            named = [
                key for key, bound in listed._bindings.key_to_bindings.items() for one in bound if one.action == deed
            ]
            of_result = [
                key
                for key, bound in ResultScreen(listed.current)._bindings.key_to_bindings.items()
                for one in bound
                if one.action == deed
            ]
            assert named == of_result != [], deed
