"""What the pictures teach is asked before they are judged; what a later choice finds anew is said, and led back to."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import Input

from loratui.app import LoratuiApp
from loratui.settings.draft import Draft, DraftStore
from tests.loratui.screens.conftest import SIZES, at, opened, screen_text, until

pytestmark = pytest.mark.slow

Wizard = Callable[..., LoratuiApp]


@pytest.mark.parametrize("size", SIZES)
async def test_a_folder_of_kohya_is_asked_about_once(wizard: Wizard, photos: Path, size: tuple[int, int]) -> None:
    photos.rename("5_ohwx dog")
    for one in Path("5_ohwx dog").glob("*.txt"):
        one.write_text("ohwx dog, outside")
    app = wizard()
    async with app.run_test(size=size) as pilot:
        await at(pilot, "WelcomeScreen")
        await pilot.press("enter")
        screen = await at(pilot, "PicturesScreen")
        screen.query_one("#folder", Input).value = "5_ohwx dog"
        await pilot.press("enter")
        await at(pilot, "Confirm")
        assert "repeats 5, trigger ohwx, class word dog" in " ".join(screen_text(app).replace("│", "").split())
        assert screen._report is None  # nothing is judged yet
        await pilot.press("enter")
        await at(pilot, "PicturesScreen")
        await until(pilot, lambda: screen._report is not None)
        values = app.draft.values
        assert (values["dataset.repeats"], values["dataset.trigger"], values["dataset.class_word"]) == (
            5,
            "ohwx",
            "dog",
        )
        assert "trigger-missing" not in [one.code for one in screen._report.all_findings]
        await pilot.press("u")
        await until(pilot, lambda: "dataset.trigger" not in app.draft.values)
        assert type(app.screen).__name__ == "PicturesScreen"


async def test_a_no_judges_as_before(wizard: Wizard, photos: Path) -> None:
    photos.rename("5_ohwx dog")
    app = wizard(Draft(step=1, values={"dataset.path": "5_ohwx dog"}))
    async with app.run_test() as pilot:
        await at(pilot, "WelcomeScreen")
        await pilot.press("enter")
        await at(pilot, "Confirm")
        await pilot.press("n")
        screen = await at(pilot, "PicturesScreen")
        await until(pilot, lambda: screen._report is not None)
        assert list(app.draft.values) == ["dataset.path"]


@pytest.mark.parametrize("answer", ["n", "escape"])
async def test_a_no_holds_for_these_pictures_also_when_they_are_opened_again(
    wizard: Wizard, photos: Path, answer: str
) -> None:
    """In this program and in the next one; other pictures in the folder are asked about anew."""
    photos.rename("5_ohwx dog")

    async def look(pilot: Pilot[Any], screen: str) -> None:
        await at(pilot, "WelcomeScreen")
        await pilot.press("enter")
        await at(pilot, screen)

    app = wizard(Draft(step=1, values={"dataset.path": "5_ohwx dog"}))
    async with app.run_test() as pilot:
        await look(pilot, "Confirm")
        await pilot.press(answer)
        await at(pilot, "PicturesScreen")
    app.store.leave()
    for asks in (False, True, False):
        if asks:
            shutil.copy("5_ohwx dog/dog_0.png", "5_ohwx dog/dog_9.png")
        app = LoratuiApp(store=DraftStore(app.store._folder))
        async with app.run_test() as pilot:
            await look(pilot, "Confirm" if asks else "PicturesScreen")
            if asks:
                await pilot.press(answer)
                await at(pilot, "PicturesScreen")
            await until(pilot, lambda app=app: app.screen._report is not None)
            assert "dataset.trigger" not in app.draft.values
        app.store.leave()
    assert len(app.store.all().kept) == 1


async def test_another_trigger_says_what_is_new_and_leads_back(wizard: Wizard, photos: Path) -> None:
    app = wizard(Draft(step=1, values={"dataset.path": "photos"}))
    async with app.run_test() as pilot:
        await opened(pilot)
        await pilot.press("f2")
        screen = await at(pilot, "ConceptScreen")
        screen.query_one("#trigger", Input).value = "ohwx"
        await pilot.press("f2")
        await at(pilot, "Confirm")
        await pilot.press("escape")  # decides nothing: it is asked again
        await until(pilot, lambda: app.screen is screen)
        await pilot.press("f2")
        await at(pilot, "Confirm")
        assert "New findings:" in screen_text(app)
        assert "4 pictures have a caption without the trigger" in screen_text(app)
        await pilot.press("enter")
        screen = await at(pilot, "PicturesScreen")
        await until(pilot, lambda: screen._report is not None)
        assert app.draft.values["dataset.trigger"] == "ohwx"
        assert "trigger-missing" in [one.code for one in screen._report.all_findings]
        await pilot.press("f2")
        await at(pilot, "ConceptScreen")
        await pilot.press("f2")  # said once
        await at(pilot, "PresetScreen")
