"""The pictures step: what is said of each, what the keys do, what is written and what never is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from textual.widgets import Input

from loratui.app import LoratuiApp
from loratui.settings.drafts.draft import Draft
from loratui.widgets.paths import complete
from tests.loratui.screens.conftest import HOSTILE, at, kind_chosen, on_row, opened, screen_text, until

Wizard = Callable[..., LoratuiApp]


@pytest.fixture
def draft(photos: Path) -> Draft:
    return Draft(step=1, values={"dataset.path": "photos", "dataset.trigger": "TOK"})


@pytest.mark.parametrize(
    ("typed", "said"), [("nowhere", "there is no folder"), ("photos/dog_0.png", "is one picture; name the folder")]
)
async def test_a_wrong_folder_is_a_sentence(wizard: Wizard, photos: Path, typed: str, said: str) -> None:
    app = wizard()
    async with app.run_test(size=(120, 24)) as pilot:
        await at(pilot, "WelcomeScreen")
        await pilot.press("enter")
        await at(pilot, "PicturesScreen")
        app.screen.query_one("#folder", Input).value = typed
        await pilot.press("f2")
        await until(pilot, lambda: said in screen_text(app))


@pytest.mark.slow
async def test_an_unreadable_picture_is_left_out_by_enter(wizard: Wizard, draft: Draft) -> None:
    Path("photos/half.png").write_bytes(Path("photos/dog_0.png").read_bytes()[:300])
    app = wizard(draft)
    async with app.run_test() as pilot:
        await opened(pilot)
        assert "✗ 1 finding in the way" in screen_text(app)
        await pilot.press("f2")
        await at(pilot, "Confirm")
        await pilot.press("enter")
        await at(pilot, "ConceptScreen")
        assert app.draft.skipped == ("half.png",)
        assert app.draft.images == 5
        assert Path("photos/half.png").exists()


@pytest.mark.slow
async def test_space_leaves_out_and_takes_in_again(wizard: Wizard, draft: Draft) -> None:
    app = wizard(draft)
    async with app.run_test() as pilot:
        screen = await opened(pilot)
        await on_row(pilot, screen, "dog_1.png")
        await pilot.press("space")
        assert app.draft.skipped == ("dog_1.png",)
        assert "– skipped" in screen_text(app)
        assert app.draft.images == 4
        await pilot.press("space")
        assert app.draft.skipped == ()


@pytest.mark.slow
async def test_accept_marks_the_warning(wizard: Wizard, draft: Draft) -> None:
    Path("photos/dog_3.txt").write_text("a dog without its word")
    app = wizard(draft)
    async with app.run_test() as pilot:
        screen = await opened(pilot)
        await on_row(pilot, screen, "dog_3.png")
        await pilot.press("a")
        (key,) = app.draft.accepted
        assert key.endswith(":dog_3.png")
        await until(pilot, lambda: "✓ accepted" in screen_text(app))


@pytest.mark.slow
async def test_a_caption_is_written_only_after_the_question(wizard: Wizard, draft: Draft) -> None:
    app = wizard(draft)
    pixels = Path("photos/dog_4.png").read_bytes()
    async with app.run_test() as pilot:
        screen = await opened(pilot)
        await on_row(pilot, screen, "dog_4.png")
        await pilot.press("e")
        await at(pilot, "CaptionWorkbench")
        await pilot.press(*"a TOK dog", "escape", "escape")
        await at(pilot, "PicturesScreen")
        assert app.draft.captions == {"dog_4.png": "a TOK dog"}
        assert app.store.load().draft.captions == {"dog_4.png": "a TOK dog"}  # a kill now loses nothing
        assert not Path("photos/dog_4.txt").exists()
        await pilot.press("f2")
        await at(pilot, "Question")
        assert "dog_4.txt (new file)" in screen_text(app)
        await pilot.press("enter")
        await until(pilot, lambda: Path("photos/dog_4.txt").exists())
        assert Path("photos/dog_4.txt").read_text() == "a TOK dog\n"
        assert app.draft.captions == {}
    assert Path("photos/dog_4.png").read_bytes() == pixels


@pytest.mark.slow
async def test_another_folder_forgets_decisions_on_the_old_one(wizard: Wizard, draft: Draft) -> None:
    Path("other").mkdir()
    Path("other/a.png").write_bytes(Path("photos/dog_0.png").read_bytes())
    app = wizard(draft.with_settings({"dataset.skip": ("dog_1.png",)}))
    async with app.run_test() as pilot:
        screen = await opened(pilot)
        field = screen.query_one("#folder", Input)
        field.focus()
        field.value = "other"
        await pilot.press("enter")
        await until(pilot, lambda: "1 picture " in screen_text(app))
        assert app.draft.skipped == ()
        assert app.draft.values["dataset.path"] == "other"


@pytest.mark.slow
async def test_the_path_stays_as_it_was_typed(wizard: Wizard, photos: Path) -> None:
    app = wizard()
    async with app.run_test() as pilot:
        await at(pilot, "WelcomeScreen")
        await pilot.press("enter")
        screen = await at(pilot, "PicturesScreen")
        await pilot.press(*"~/photos", "enter")
        await kind_chosen(pilot)
        await until(pilot, lambda: screen._report is not None)
        assert app.draft.values["dataset.path"] == "~/photos"


@pytest.mark.slow
async def test_hostile_names_and_captions_are_inert(wizard: Wizard, draft: Draft) -> None:
    raw = Path("photos/dog_0.png").read_bytes()
    name = "\x1b[31m[@click=app.quit()]x.png"
    Path("photos", name).write_bytes(raw)
    Path("photos", name).with_suffix(".txt").write_text(HOSTILE)
    app = wizard(draft)
    async with app.run_test() as pilot:
        screen = await opened(pilot)
        await on_row(pilot, screen, name)
        text = screen_text(app)
        assert not set(text) & {"\x1b", "\x07", "\x9b"}
        assert "[@click=app" in text  # shown, not run
        await pilot.click("#finding-text", offset=(5, 2))
        await pilot.press("e")
        await at(pilot, "CaptionWorkbench")
        assert not set(screen_text(app)) & {"\x1b", "\x07", "\x9b"}
        await pilot.press("escape")
        assert app.is_running


def test_a_folder_is_completed_as_typed(photos: Path) -> None:
    assert complete("pho") == "photos"
    assert complete("~/pho") == "~/photos"
    assert complete("photos") is None
    assert complete("nowhere/x") is None
    assert complete("") is None
