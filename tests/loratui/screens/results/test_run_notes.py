"""What a person noted of a run is read in the list of runs, whole, and without a key."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from textual.coordinate import Coordinate
from textual.widgets import DataTable, Static

from loratui.app import LoratuiApp
from loratui.runs.keeping import write_note
from tests.loratui.screens.conftest import until
from tests.loratui.screens.results.test_runs import make, opened

Wizard = Callable[..., LoratuiApp]


@pytest.mark.parametrize("size", [(80, 24), (140, 30)])
async def test_a_note_is_read_in_the_list_without_a_key(wizard: Wizard, own_place: Path, size: tuple[int, int]) -> None:
    for number in range(3):
        run = make(own_place, f"2026-11-2{number}-1000-dog", 40, number=number)
        write_note(run, f"lighting is soft in {run.path.name}, and the rest of it has to be looked at once more")
    app = wizard()
    async with app.run_test(size=size) as pilot:
        screen = await opened(pilot)
        await until(pilot, lambda: screen.query_one(DataTable).row_count == 3)
        for row in range(3):  # at once for the first, then as the cursor goes
            name = screen.query_one(DataTable).get_cell_at(Coordinate(row, 1)).plain.split()[0]
            await until(
                pilot, lambda name=name: f"soft in {name}" in str(screen.query_one("#runs-say", Static).content)
            )
            said = " ".join(str(screen.query_one("#runs-say", Static).content).split())
            assert f"lighting is soft in {name}, and the rest" in said
            cell = screen.query_one(DataTable).get_cell_at(Coordinate(row, 1))
            assert ("lighting" in str(cell)) is (size[0] > 100)
            await pilot.press("down")
