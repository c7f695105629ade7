"""A run that was chosen in a list of the program: Escape goes back to the list."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual.widgets import DataTable

from loratui.screens.results.runs import RunsScreen
from tests.loratui.screens.conftest import at, until
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
