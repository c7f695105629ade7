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
from loratui.curation.report import Report
from loratui.curation.scan import ScanSettings, scan
from loratui.screens.wizard.concept import KINDS
from loratui.settings.drafts.draft import Draft
from loratui.settings.drafts.store import DraftStore
from tests.loratui.screens.conftest import SIZES, at, kind_chosen, opened, screen_text, until

pytestmark = pytest.mark.slow

Wizard = Callable[..., LoratuiApp]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("word", ["dog", ""])
async def test_a_folder_of_kohya_is_asked_about_once(
    wizard: Wizard, photos: Path, word: str, size: tuple[int, int]
) -> None:
    name = f"5_ohwx {word}".strip()
    photos.rename(name)
    for one in Path(name).glob("*.txt"):
        one.write_text("ohwx dog, outside")
    app = wizard()
    async with app.run_test(size=size) as pilot:
        await at(pilot, "WelcomeScreen")
        await pilot.press("enter")
        screen = await at(pilot, "PicturesScreen")
        screen.query_one("#folder", Input).value = name
        await pilot.press("enter")
        await at(pilot, "Confirm")
        said = " ".join(screen_text(app).replace("│", "").split())
        assert f"repeats 5, trigger ohwx{', class word dog' if word else ''}" in said
        assert ("kind an object" in said) is bool(word)
        assert screen._report is None  # nothing is judged yet
        await pilot.press("enter")
        if not word:  # neither its name nor the captions say what kind it is
            await at(pilot, "Chooser")
            assert screen._report is None
            await kind_chosen(pilot)
        await at(pilot, "PicturesScreen")
        await until(pilot, lambda: screen._report is not None)
        values = app.draft.values
        found = (
            values["kind"],
            values["dataset.repeats"],
            values["dataset.trigger"],
            values.get("dataset.class_word", ""),
        )
        assert found == ("object", 5, "ohwx", word)
        assert "trigger-missing" not in [one.code for one in screen._report.all_findings]
        await pilot.press("u")
        await until(pilot, lambda: "dataset.trigger" not in app.draft.values)
        assert "kind" not in app.draft.values  # one decision
        assert type(app.screen).__name__ == "PicturesScreen"


async def test_a_no_judges_as_before(wizard: Wizard, photos: Path) -> None:
    photos.rename("5_ohwx dog")
    app = wizard(Draft(step=1, values={"dataset.path": "5_ohwx dog"}), kind="")
    async with app.run_test() as pilot:
        await at(pilot, "WelcomeScreen")
        await pilot.press("enter")
        await at(pilot, "Confirm")
        await pilot.press("n")
        await at(pilot, "Chooser")
        await pilot.press("escape")
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


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The kind of each look at the pictures."""
    found: list[str] = []

    def noted(folder: Path, settings: ScanSettings, *more: Any) -> Report:
        found.append(settings.kind)
        return scan(folder, settings, *more)

    monkeypatch.setattr("loratui.curation.scan.scan", noted)
    return found


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(("keys", "kind"), [(["enter"], "object"), (["down", "down", "enter"], "style")])
async def test_the_kind_is_asked_before_the_pictures_are_judged(
    wizard: Wizard, photos: Path, looks: list[str], keys: list[str], kind: str, size: tuple[int, int]
) -> None:
    app = wizard(Draft(step=1, values={"dataset.path": "photos"}), kind="")
    async with app.run_test(size=size) as pilot:
        await at(pilot, "WelcomeScreen")
        await pilot.press("enter")
        chooser = await at(pilot, "Chooser")
        seen = screen_text(app)
        for words in ("What do your pictures show?", "judged by it", "Escape cancels", *(one[2] for one in KINDS)):
            assert words in seen
        frame = chooser.query_one("Dialog").region
        assert frame in app.screen.region and chooser.query_one("#choices").max_scroll_y == 0
        screen: Any = app.screen_stack[-2]
        assert screen._report is None and "kind" not in app.draft.values
        await pilot.press(*keys)
        await at(pilot, "PicturesScreen")
        await until(pilot, lambda: screen._report is not None)
        assert (app.draft.values["kind"], screen._report.kind) == (kind, kind)
        assert looks == ["object"] + [kind] * (kind != "object")  # the same measure needs no second look
        await pilot.press("f2")
        await at(pilot, "ConceptScreen")
        assert app.focused is app.screen.query_one("#trigger")  # what is left are the words
        await pilot.press("shift+tab")
        assert app.focused is app.screen.query_one("#kind")


async def test_escape_judges_as_it_stands_and_is_an_answer_for_these_pictures(wizard: Wizard, photos: Path) -> None:
    """In this program and in the next one; other pictures in the folder are asked about anew, Subject asks anyway."""
    app = wizard(Draft(step=1, values={"dataset.path": "photos"}), kind="")
    for asks in (True, False):
        async with app.run_test() as pilot:
            await at(pilot, "WelcomeScreen")
            await pilot.press("enter")
            if asks:
                await at(pilot, "Chooser")
                await pilot.press("escape")
            screen = await at(pilot, "PicturesScreen")
            await until(pilot, lambda screen=screen: screen._report is not None)
            assert "kind" not in app.draft.values and screen._report.kind == "object"
            await pilot.press("r")
            await until(pilot, lambda app=app: "Read again" in screen_text(app))
            await pilot.press("f2")
            await at(pilot, "ConceptScreen")
            assert app.focused is app.screen.query_one("#kind")
            await pilot.press("escape")
        app.store.leave()
        app = LoratuiApp(store=DraftStore(app.store._folder))
    shutil.copy("photos/dog_0.png", "photos/dog_9.png")
    async with app.run_test() as pilot:
        await at(pilot, "WelcomeScreen")
        await pilot.press("enter")
        await at(pilot, "Chooser")


async def test_what_was_chosen_elsewhere_since_is_not_taken_back(wizard: Wizard, photos: Path) -> None:
    """Nor is a decision said to hold of which something was changed."""
    photos.rename("5_ohwx woman")
    app = wizard(Draft(step=1, values={"dataset.path": "5_ohwx woman"}), kind="")
    async with app.run_test() as pilot:
        await at(pilot, "WelcomeScreen")
        await pilot.press("enter")
        await at(pilot, "Confirm")
        await pilot.press("y")
        screen = await at(pilot, "PicturesScreen")
        await until(pilot, lambda: screen._report is not None and "Chosen: a face" in screen_text(app))
        await pilot.press("f2")
        await at(pilot, "ConceptScreen")
        await pilot.press("escape")  # nothing was changed
        screen = await at(pilot, "PicturesScreen")
        await until(pilot, lambda: screen._report is not None and "Chosen: a face" in screen_text(app))
        await pilot.press("f2")
        await at(pilot, "ConceptScreen")
        await pilot.press("shift+tab", "down", "escape")
        screen = await at(pilot, "PicturesScreen")
        await until(pilot, lambda: screen._report is not None)
        assert app.draft.values["kind"] == "object" and "Chosen:" not in screen_text(app)
        await pilot.press("u")
        await until(pilot, lambda: "dataset.trigger" not in app.draft.values)
        assert app.draft.values["kind"] == "object" and "dataset.repeats" not in app.draft.values
        await until(pilot, lambda: "but for what was changed since" in " ".join(screen_text(app).split()))
        await pilot.press("U")
        await until(pilot, lambda: app.draft.values.get("dataset.trigger") == "ohwx")
        assert app.draft.values["kind"] == "object"


@pytest.mark.parametrize("kind", ["object", ""])
async def test_a_look_at_the_subject_decides_nothing(wizard: Wizard, photos: Path, kind: str) -> None:
    """The same folder and the same draft are judged the same before and after; F2 takes what is proposed."""
    for one in photos.glob("*.txt"):
        one.write_text("a dog")  # without the trigger that is proposed
    app = wizard(Draft(step=1, values={"dataset.path": "photos"}), kind=kind)
    async with app.run_test() as pilot:
        await at(pilot, "WelcomeScreen")
        await pilot.press("enter")
        if not kind:
            await at(pilot, "Chooser")
            await pilot.press("escape")
        screen = await at(pilot, "PicturesScreen")
        await until(pilot, lambda: screen._report is not None)
        values, found = app.draft.values, screen._report.all_findings
        await pilot.press("f2")
        await at(pilot, "ConceptScreen")
        await pilot.press("escape")
        screen = await at(pilot, "PicturesScreen")
        await until(pilot, lambda: screen._report is not None)
        assert (app.draft.values, screen._report.all_findings) == (values, found)
        await pilot.press("f2")
        await at(pilot, "ConceptScreen")
        await pilot.press("f2")
        await at(pilot, "Confirm")
        assert "New findings:" in screen_text(app)
        assert (app.draft.values["kind"], app.draft.values["dataset.trigger"]) == ("object", "TOK")


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
