"""The line in which pictures are asked for: what is nearby is shown, Tab completes, a folder of folders is opened."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import Input, OptionList

from loratui.app import LoratuiApp
from loratui.settings.drafts.draft import Draft
from tests.loratui.screens.conftest import SIZES, at, screen_text, until

pytestmark = pytest.mark.slow

Wizard = Callable[..., LoratuiApp]


async def at_line(pilot: Pilot[Any]) -> Any:
    """The pictures' step with an empty line, and the folders found."""
    await at(pilot, "WelcomeScreen")
    await pilot.press("enter")
    screen = await at(pilot, "PicturesScreen")
    await until(pilot, lambda: bool(screen._folders))
    return screen


@pytest.mark.parametrize("size", SIZES)
async def test_folders_nearby_are_seen_with_their_counts_and_taken(
    wizard: Wizard, photos: Path, size: tuple[int, int]
) -> None:
    app = wizard(Draft(step=1))
    async with app.run_test(size=size) as pilot:
        screen = await at_line(pilot)
        assert "~/photos" in screen_text(app) and "5 pictures" in screen_text(app)
        await until(pilot, lambda: "↓ Folders" in screen_text(app))
        await pilot.press("down", "enter")
        await until(pilot, lambda: screen._report is not None)
        assert app.draft.values["dataset.path"] == "~/photos"


@pytest.mark.parametrize("size", SIZES)
async def test_all_folders_are_seen_while_there_are_no_pictures(
    wizard: Wizard, photos: Path, size: tuple[int, int]
) -> None:
    """Also after a folder that holds none; once there are pictures, what was found has the place."""
    for number in range(11):
        folder = Path(f"set-{number:02}")
        folder.mkdir()
        (folder / "a.png").write_bytes((photos / "dog_0.png").read_bytes())
    app = wizard(Draft(step=1))
    async with app.run_test(size=size) as pilot:
        screen = await at_line(pilot)

        def seen() -> int:
            return sum(one in screen_text(app) for one in ("~/photos", *(f"~/set-{n:02}" for n in range(11))))

        await until(pilot, lambda: seen() == 12)
        await pilot.press(*"nowhere", "enter")
        await until(pilot, lambda: "✗" in screen_text(app))
        await until(pilot, lambda: seen() == 12)
        screen.take_folder("photos")
        await until(pilot, lambda: screen._report is not None and "dog_0.png" in screen_text(app))
        assert "what was found" in screen_text(app) and seen() == 0


async def test_tab_completes_and_then_goes_on(wizard: Wizard, photos: Path) -> None:
    Path("pho/inner").mkdir(parents=True)
    app = wizard(Draft(step=1))
    async with app.run_test() as pilot:
        screen = await at_line(pilot)
        line = screen.query_one("#folder", Input)
        await pilot.press(*"phot", "tab")
        assert line.value == "photos" and line.has_focus
        await pilot.press("tab")
        assert line.has_focus and "Enter looks at this folder" in screen_text(app)  # no list to go to yet
        await pilot.press("enter")
        await until(pilot, lambda: screen._report is not None)
        line.focus()
        await pilot.press("tab")
        assert not line.has_focus
        line.focus()
        line.value = "~/pho"
        await pilot.press("tab", "tab")  # a whole name, then what lies in it, as in a shell
        assert line.value == "~/pho/inner"


async def test_tab_in_an_empty_line_loses_no_letter_after_it(wizard: Wizard, photos: Path) -> None:
    app = wizard(Draft(step=1))
    async with app.run_test() as pilot:
        line = (await at_line(pilot)).query_one("#folder", Input)
        await pilot.press("tab", *"ph", "tab")
        assert line.value == "photos" and line.has_focus
        await pilot.press("x", "tab")
        assert line.value == "photosx" and line.has_focus and "No folder begins like this" in screen_text(app)


async def test_a_folder_of_folders_is_opened(wizard: Wizard, photos: Path) -> None:
    Path("kohya").mkdir()
    photos.rename("kohya/10_ohwx dog")
    app = wizard(Draft(step=1))
    async with app.run_test() as pilot:
        screen = await at_line(pilot)
        screen.query_one("#folder", Input).value = "kohya"
        await pilot.press("enter")  # the only one with pictures is taken
        await at(pilot, "Confirm")
        assert "'10_ohwx dog'" in screen_text(app)
        await pilot.press("y")
        await until(pilot, lambda: screen._report is not None)
        assert app.draft.values["dataset.path"] == "kohya/10_ohwx dog"
        Path("kohya/more").mkdir()
        Path("kohya/more/a.png").write_bytes(Path("kohya/10_ohwx dog/dog_0.png").read_bytes())
        line = screen.query_one("#folder", Input)
        line.focus()
        line.value = "kohya"
        await pilot.press("enter")
        chooser = await at(pilot, "Chooser")
        assert "1 picture" in screen_text(app) and "5 pictures" in screen_text(app)
        chooser.query_one(OptionList).highlighted = 1
        await pilot.press("enter")
        await until(pilot, lambda: screen._report is not None and screen._report.folder.name == "more")


async def test_keys_while_the_pictures_are_looked_at_are_no_part_of_the_path(wizard: Wizard, photos: Path) -> None:
    shutil.copytree("photos", "others")
    app = wizard(Draft(step=1))
    async with app.run_test() as pilot:
        await at(pilot, "WelcomeScreen")
        await pilot.press("enter")
        screen = await at(pilot, "PicturesScreen")
        for folder in ("photos", "others"):
            screen.query_one("#folder", Input).focus()
            screen.query_one("#folder", Input).value = folder
            await pilot.press("enter", "y")
            assert app.focused is screen.query_one("#table")
            # no key decides about the pictures of before
            assert screen._report is None or screen._report.folder.name == folder
            await until(pilot, lambda: screen._report is not None)
            assert screen.query_one("#folder", Input).value == folder


@pytest.mark.parametrize("leaving", ["escape", "ctrl+q"])
@pytest.mark.parametrize("entered", [True, False])
@pytest.mark.parametrize("typed", ["nowhere", "empty", "not/there"])
async def test_a_folder_without_pictures_is_no_draft(
    wizard: Wizard, photos: Path, typed: str, entered: bool, leaving: str
) -> None:
    """Nor does anything of the pictures of before stand under it: the draft stays what it was."""
    Path("empty").mkdir()
    app = wizard(Draft(step=1))
    async with app.run_test() as pilot:
        screen = await at_line(pilot)
        screen.take_folder("photos")
        await until(pilot, lambda: screen._report is not None)
        line = screen.query_one("#folder", Input)
        line.focus()
        line.value = typed
        if entered:
            await pilot.press("enter")
            await until(pilot, lambda: "✗" in screen_text(app))
            assert not screen.query_one("#table").columns and screen._report is None
        await pilot.press(leaving)
        if leaving == "escape":
            await at(pilot, "WelcomeScreen")
            assert typed not in screen_text(app)
            if not entered:  # what was typed is still in its line, and leaving would drop it
                await pilot.press("escape")
                await at(pilot, "Confirm")
                await pilot.press("n")
                await at(pilot, "WelcomeScreen")
                await pilot.press("ctrl+q")
                await at(pilot, "Confirm")
        elif not entered:
            await at(pilot, "Confirm")
    assert [one.draft.values["dataset.path"] for one in app.store.all().kept] == ["photos"]


async def test_a_typed_folder_with_pictures_is_kept_also_if_it_was_not_entered(wizard: Wizard, photos: Path) -> None:
    app = wizard(Draft(step=1))
    async with app.run_test() as pilot:
        await at_line(pilot)
        await pilot.press(*"photos", "ctrl+q")
    assert [one.draft.values["dataset.path"] for one in app.store.all().kept] == ["photos"]
