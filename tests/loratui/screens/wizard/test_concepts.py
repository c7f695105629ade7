"""Several concepts on the pictures' screen: + adds one, the list changes them, a kohya tree is all of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import Input, OptionList

from loratui.app import LoratuiApp
from loratui.screens.shared.palette import commands_of
from loratui.screens.wizard.captions.by_model import CaptioningEnded, CaptionMade
from loratui.settings.drafts.draft import Draft
from tests.loratui.screens.conftest import at, draw_photo, kind_chosen, on_row, screen_text, until

pytestmark = pytest.mark.slow

Wizard = Callable[..., LoratuiApp]


def drawn(folder: str, count: int, first: int = 7) -> None:
    """Pictures that are like no other."""
    Path(folder).mkdir(parents=True)
    for number in range(count):
        draw_photo(Path(folder) / f"{number}.png", first + number)


async def judged(pilot: Pilot[Any], count: int) -> Any:
    """The pictures' step with so many pictures looked at."""
    screen = await at(pilot, "PicturesScreen")
    await until(pilot, lambda: screen._report is not None and len(screen._report.pictures) == count)
    await pilot.pause()
    return screen


async def begun(pilot: Pilot[Any]) -> Any:
    await at(pilot, "WelcomeScreen")
    await pilot.press("enter")
    return await judged(pilot, 5)


async def test_a_concept_is_added_changed_looked_at_and_taken_away(wizard: Wizard, chosen: Draft) -> None:
    drawn("3_REX dog", 2)
    app = wizard(chosen.with_fields(step=1))
    async with app.run_test(size=(120, 36)) as pilot:
        screen = await begun(pilot)
        assert "Add a concept" in {one.title for one in commands_of(screen)}
        screen.query_one("#table").focus()
        await pilot.press("plus")
        form = await at(pilot, "Form")
        await pilot.press(*"gone", "enter", "enter", "enter", "enter", "enter")
        assert "There is no folder 'gone'." in screen_text(app)
        form.query(Input).first().value = "3_REX dog"
        form.query(Input).last().focus()
        await pilot.press("enter")
        screen = await judged(pilot, 7)
        (told,) = app.draft.values["concepts"]
        assert told == {"path": "3_REX dog", "repeats": 3, "trigger": "REX", "class_word": "dog"}  # by its name
        await on_row(pilot, screen, "concept-2/0.png")
        await pilot.press("space")
        assert app.draft.skipped == ("concept-2/0.png",)
        await pilot.press("plus")
        chooser = await at(pilot, "Chooser")
        assert "REX dog" in screen_text(app) and "2 pictures x 3" in screen_text(app)
        chooser.query_one(OptionList).highlighted = 1
        await pilot.press("enter")
        await at(pilot, "Question")
        await pilot.press("p")
        assert "showing: concept 2" in screen_text(app) and "dog_0.png" not in screen_text(app)
        await pilot.press("plus")
        (await at(pilot, "Chooser")).query_one(OptionList).highlighted = 1
        await pilot.press("enter", "c")
        form = await at(pilot, "Form")
        form.query(Input).last().value = "0.5"
        form.query(Input).last().focus()
        await pilot.press("enter")
        await until(pilot, lambda: app.draft.values["concepts"][0].get("loss_weight") == 0.5)
        await judged(pilot, 7)
        assert app.draft.skipped == ("concept-2/0.png",), "what was decided stays"
        await pilot.press("plus")
        (await at(pilot, "Chooser")).query_one(OptionList).highlighted = 1
        await pilot.press("enter", "d")
        screen = await judged(pilot, 5)
        assert "concepts" not in app.draft.values and app.draft.skipped == ()
        await pilot.press("u")
        await judged(pilot, 7)
        assert app.draft.values["concepts"][0]["path"] == "3_REX dog" and app.draft.skipped == ("concept-2/0.png",)


async def test_a_kohya_tree_is_learned_in_one_run_and_the_plan_shows_it(wizard: Wizard, photos: Path) -> None:
    Path("tree").mkdir()
    photos.rename("tree/1_ohwx dog")
    drawn("tree/2_zwx cat", 3)
    app = wizard()
    async with app.run_test(size=(120, 50)) as pilot:
        await at(pilot, "WelcomeScreen")
        await pilot.press("enter")
        screen = await at(pilot, "PicturesScreen")
        screen.query_one("#folder", Input).value = "tree"
        screen.query_one("#folder", Input).focus()
        await pilot.press("enter")
        await at(pilot, "Confirm")
        assert "2_zwx cat" in screen_text(app)
        await pilot.press("y")
        await until(pilot, lambda: app.draft.get("dataset.path") == "tree/1_ohwx dog")
        await kind_chosen(pilot)
        await judged(pilot, 8)
        values = app.draft.values
        assert (values["dataset.trigger"], values["dataset.class_word"]) == ("ohwx", "dog")
        assert values["concepts"] == ({"path": "tree/2_zwx cat", "repeats": 2, "trigger": "zwx", "class_word": "cat"},)
        for name in ("ConceptScreen", "PresetScreen", "SettingsScreen", "ReviewScreen"):
            await pilot.press("f2")
            if type(app.screen).__name__ == "Confirm":
                await pilot.press("y")
            screen = await at(pilot, name)
            if name == "ConceptScreen":
                assert "concept 2: zwx cat, 'a photo of a zwx cat'" in screen_text(app)
        await until(pilot, lambda: screen._plan is not None)
        rows = [row for one in screen._plan.sections if one.title == "Concepts" for row in one.rows]
        assert [(row.label, row.value.split(",")[0]) for row in rows] == [
            ("ohwx", "5 pictures x 1 repeat"),
            ("zwx", "3 pictures x 2 repeats"),
        ]


async def test_the_best_are_kept_and_captions_are_written_of_the_concept_that_is_shown(
    wizard: Wizard, chosen: Draft
) -> None:
    drawn("rex", 3)
    beside = {"path": "rex", "trigger": "REX", "class_word": "dog"}
    app = wizard(chosen.with_settings({"concepts": (beside,)}).with_fields(step=1))
    async with app.run_test(size=(120, 36)) as pilot:
        await at(pilot, "WelcomeScreen")
        await pilot.press("enter")
        screen = await judged(pilot, 8)
        screen.show_concept(2)
        screen.action_best()
        editor = await at(pilot, "LineEditor")
        assert "Of the 3 pictures of concept 2 that are not skipped" in screen_text(app)
        editor.query_one(Input).value = "1"
        await pilot.press("enter")
        await at(pilot, "Confirm")
        await pilot.press("y")
        await at(pilot, "PicturesScreen")
        assert len(app.draft.skipped) == 2 and all(one.startswith("concept-2/") for one in app.draft.skipped)
        await pilot.press("u")
        assert app.draft.skipped == ()
        screen.ask_for_captions(screen._report)
        await at(pilot, "Chooser")
        assert "Which model captions 3 pictures of concept 2?" in screen_text(app)
        await pilot.press("escape")
        assert screen._folder_of(2).name == "rex"
        screen._made = {}
        screen.post_message(CaptionMade("1.png", "a REX dog on grass", 1, 1))
        screen.post_message(CaptioningEnded())
        await until(pilot, lambda: app.draft.captions == {"concept-2/1.png": "a REX dog on grass"})


async def test_copies_are_made_of_the_concept_that_is_shown(wizard: Wizard, chosen: Draft) -> None:
    drawn("rex", 3)
    Path("rex/1.txt").write_text("on grass")
    beside = {"path": "rex", "trigger": "REX", "class_word": "dog"}
    values = {"concepts": (beside,), "dataset.accept": ("low-resolution:concept-2/1.png",)}
    values |= {"dataset.skip": ("concept-2/0.png", "dog_0.png")}
    app = wizard(chosen.with_settings(values).with_fields(step=1))
    async with app.run_test(size=(120, 36)) as pilot:
        await at(pilot, "WelcomeScreen")
        await pilot.press("enter")
        screen = await judged(pilot, 8)
        screen.show_concept(2)
        screen.action_fix()
        form = await at(pilot, "Form")
        assert form.starts == ["rex-fixed", "REX"] and "Copies of 2 pictures of concept 2" in screen_text(app)
        await pilot.press("enter", "enter")
        await at(pilot, "Confirm")
        await pilot.press("enter")
        await judged(pilot, 7)
        assert app.draft.values["concepts"] == ({**beside, "path": "rex-fixed"},)
        assert app.draft.get("dataset.path") == chosen.get("dataset.path")
        assert app.draft.skipped == ("dog_0.png",)
        assert app.draft.accepted == ("low-resolution:concept-2/1.png",)
        assert "REX" in Path("rex-fixed/1.txt").read_text() and not Path("rex-fixed/0.png").exists()
