"""The kind that is chosen is seen without colours, and what was taken for another kind is not gone on with unsaid."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.color import ColorSystem
from textual.pilot import Pilot
from textual.widgets import OptionList

from loratui.app import LoratuiApp
from loratui.screens.wizard.concept import KINDS
from loratui.screens.wizard.recent_folders import WHERE
from loratui.settings.drafts.draft import Draft
from loratui.settings.names import run_name
from tests.loratui.screens.conftest import at, screen_text, until

Wizard = Callable[..., LoratuiApp]


def grounds(pilot: Pilot[Any], options: OptionList, palette: ColorSystem) -> list[Any]:
    """What stands behind the words of each line of a list, where a terminal has no more than `palette`."""
    strips = pilot.app.screen._compositor.render_strips()
    found = []
    for y in range(options.region.y + 1, options.region.bottom - 1):
        x = options.region.x + 2
        styles = [one.style for one in strips[y].crop(x, x + 8) if one.style is not None and one.text.strip()]
        found += [one.bgcolor.downgrade(palette) for one in styles[:1] if one.bgcolor is not None]
    return found


@pytest.mark.slow
@pytest.mark.parametrize("no_colour", [False, True], ids=["16 colours", "NO_COLOR"])
async def test_the_command_that_enter_runs_is_seen(
    wizard: Wizard, monkeypatch: pytest.MonkeyPatch, no_colour: bool
) -> None:
    if no_colour:
        monkeypatch.setenv("NO_COLOR", "1")
    app = wizard(None)
    async with app.run_test(size=(80, 30)) as pilot:
        await at(pilot, "WelcomeScreen")
        await pilot.press("ctrl+p")
        await at(pilot, "Palette")
        await until(pilot, lambda: "Light or dark" in screen_text(app))
        await pilot.press("down")
        await pilot.pause(0.1)
        for palette in (ColorSystem.STANDARD, ColorSystem.EIGHT_BIT, ColorSystem.TRUECOLOR):
            seen = grounds(pilot, app.screen.query_one(OptionList), palette)
            assert {seen.count(one) for one in seen} == {2, len(seen) - 2}, palette  # its name and what it does


@pytest.mark.slow
@pytest.mark.parametrize("no_colour", [False, True], ids=["colour", "NO_COLOR"])
async def test_the_chosen_kind_has_a_mark_and_the_preset_goes_with_it(
    wizard: Wizard, chosen: Draft, monkeypatch: pytest.MonkeyPatch, no_colour: bool
) -> None:
    if no_colour:
        monkeypatch.setenv("NO_COLOR", "1")
    values = {**chosen.values, "kind": "character-style"}
    app = wizard(chosen.with_fields(step=2, values=values, preset="character-style"))
    async with app.run_test(size=(80, 24)) as pilot:
        await at(pilot, "WelcomeScreen")
        await pilot.press("enter")
        await at(pilot, "ConceptScreen")
        for keys in ((), ("shift+tab", "up")):
            await pilot.press(*keys)
            title = next(words for key, words, _ in KINDS if key == app.screen.draft.get("kind"))
            await until(pilot, lambda title=title: f"● {title}" in screen_text(app))  # type: ignore[misc]
            marks = [line for line in screen_text(app).splitlines() if "● " in line and "Subject" not in line]
            assert len(marks) == 1 and title in marks[0]
        await pilot.press("tab")
        assert f"● {title}" in screen_text(app)  # the focus is elsewhere
        await pilot.press("f2")
        screen = await at(pilot, "PresetScreen")
        assert screen.chosen.kind == app.draft.get("kind") == "object"
        assert "character-style was taken for another kind" in " ".join(screen_text(app).split())
        await pilot.press("down", "escape")


@pytest.mark.slow
async def test_a_preset_of_another_kind_that_was_taken_for_this_one_stays(wizard: Wizard, chosen: Draft) -> None:
    kind = chosen.get("kind")
    draft = chosen.with_fields(step=3, preset="style", preset_kind=kind)
    app = wizard(draft)
    async with app.run_test(size=(80, 24)) as pilot:
        await at(pilot, "WelcomeScreen")
        await pilot.press("enter")
        screen = await at(pilot, "PresetScreen")
        assert kind != "style" and screen.chosen.name == "style" and "another kind" not in screen_text(app)


@pytest.mark.slow
async def test_no_folder_is_said_to_be_found_before_anybody_looked(wizard: Wizard, photos: Path) -> None:
    """A draft whose folder is gone: those nearby are shown as soon as they are found."""
    app = wizard(Draft(step=1, values={"dataset.path": "gone"}))
    async with app.run_test(size=(80, 24)) as pilot:
        await at(pilot, "WelcomeScreen")
        await pilot.press("enter")
        await at(pilot, "PicturesScreen")
        await until(pilot, lambda: "there is no folder" in screen_text(app))
        await until(pilot, lambda: "5 pictures" in screen_text(app))
        assert WHERE[:20] not in screen_text(app)


@pytest.mark.parametrize(
    ("words", "name"),
    [("messy dir ümlaut", "messy-dir-umlaut"), ("Straße Łódź", "Strasse-Lodz"), ("æ ø", "ae-o"), ("犬", "lora")],
)
def test_a_letter_with_a_mark_becomes_the_letter(words: str, name: str) -> None:
    assert run_name(words) == name
