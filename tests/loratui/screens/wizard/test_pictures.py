"""The dataset doctor in the wizard: findings filtered and accepted, copies put right, the best kept with reasons."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from textual.pilot import Pilot
from textual.widgets import Input, OptionList

from loratui.app import LoratuiApp
from loratui.curation.codes import CODES
from loratui.curation.lines import not_checked_lines
from loratui.curation.report import PictureReport, Report
from loratui.screens.wizard.copies import with_copies
from loratui.screens.wizard.picture_list import PANEL, READER
from loratui.settings.drafts.draft import Draft
from tests.loratui.screens.conftest import HOSTILE, SIZES, at, draw_photo, on_row, opened, screen_text, until

pytestmark = pytest.mark.slow

Wizard = Callable[..., LoratuiApp]


@pytest.fixture
def draft(photos: Path) -> Draft:
    """Two captions without the trigger, a row for a picture that is not there, one picture lying on its side."""
    (photos / "dog_1.txt").write_text("a dog")
    (photos / "dog_2.txt").write_text("a cat")
    (photos / "metadata.jsonl").write_text('{"file_name": "gone.png", "prompt": "x"}\n')
    exif = Image.Exif()
    exif[274] = 6
    draw_photo(photos / "dog_5.png", 5, (1300, 1100))
    with Image.open(photos / "dog_5.png") as lying:
        lying.save(photos / "dog_5.png", exif=exif)
    (photos / "dog_5.txt").write_text("a TOK dog, lying")
    return Draft(step=1, values={"dataset.path": "photos", "dataset.trigger": "TOK"})


async def show(pilot: Pilot[Any], screen: Any, filter: str) -> None:
    """Choose a filter by its key."""
    await pilot.press("f")
    chooser = await at(pilot, "Chooser")
    keys = [key for key, _ in chooser._lines]
    chooser.query_one(OptionList).highlighted = keys.index(filter)
    await pilot.press("enter")
    await at(pilot, "PicturesScreen")


def names(screen: Any) -> list[str | None]:
    """Pictures by their name, kinds of findings by their code, the whole set as None."""
    return [None if row is None else getattr(row, "name", None) or row.code for row in screen.rows_shown()]


async def test_one_finding_can_be_shown_alone(wizard: Wizard, draft: Draft) -> None:
    app = wizard(draft)
    async with app.run_test() as pilot:
        screen = await opened(pilot)
        kinds = ["metadata-without-picture", "trigger-missing", "turned", "no-caption"]
        assert names(screen)[:6] == [None, *kinds, "dog_0.png"]
        await show(pilot, screen, "trigger-missing")
        assert names(screen) == ["trigger-missing", "dog_1.png", "dog_2.png"]
        assert "showing: a caption without the trigger" in screen_text(app)
        await show(pilot, screen, "")
        assert len(names(screen)) == 11


async def test_all_that_is_said_of_the_whole_set_is_read(wizard: Wizard, draft: Draft) -> None:
    app = wizard(draft)
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await opened(pilot)
        await on_row(pilot, screen, None)
        await until(pilot, lambda: "Enter shows all of this" in screen_text(app))
        await pilot.press("enter")
        window = await at(pilot, "Reader")
        said, panel = window._body.plain, screen.query_one("#finding-text").content.plain.splitlines()
        unseen = not_checked_lines(screen._report, READER, every=True)
        assert all(line in said for line in (*screen._report.summary, *unseen))
        in_short = not_checked_lines(screen._report, PANEL)  # the panel has a line a group
        assert panel[-len(in_short) :] == in_short and len(in_short) < len(unseen)
        assert screen.query_one("#finding-text").size.width >= max(map(len, in_short))  # as wide as it is there
        await pilot.press("escape")
        assert app.screen is screen


async def test_a_kind_is_one_row_decided_at_once_and_taken_back(wizard: Wizard, draft: Draft) -> None:
    app = wizard(draft)
    async with app.run_test() as pilot:
        screen = await opened(pilot)
        await on_row(pilot, screen, "trigger-missing")
        shown = screen.query_one("#finding-text").content.plain
        assert "2 pictures have a caption without the trigger" in shown and "dog_1.png, dog_2.png" in shown
        await pilot.press("enter")
        assert names(screen) == ["trigger-missing", "dog_1.png", "dog_2.png"]
        await pilot.press("enter")
        assert len(names(screen)) == 11
        await on_row(pilot, screen, "trigger-missing")
        await pilot.press("a")
        assert app.draft.accepted == ("trigger-missing",)
        await on_row(pilot, screen, "dog_2.png")
        await pilot.press("a")  # of the kind that was accepted this one no more
        assert app.draft.accepted == ("trigger-missing:dog_1.png",)
        await on_row(pilot, screen, "trigger-missing")
        await pilot.press("space")
        assert app.draft.skipped == ("dog_1.png", "dog_2.png") and app.draft.images == 4
        assert "Skipped: 2 pictures. u takes it back." in screen_text(app)
        await pilot.press("u")
        assert app.draft.skipped == () and app.draft.images == 6
        await pilot.press("u", "u", "u")
        assert app.draft.accepted == () and "nothing to take back" in screen_text(app)


async def test_what_is_said_of_the_set_is_accepted_on_its_own_row(wizard: Wizard, draft: Draft) -> None:
    app = wizard(draft)
    async with app.run_test() as pilot:
        screen = await opened(pilot)
        await on_row(pilot, screen, None)
        await until(pilot, lambda: "(the whole set)" in screen_text(app))
        await pilot.press("a")
        assert app.draft.accepted == () and "a row of its own" in screen_text(app)
        await on_row(pilot, screen, "metadata-without-picture")
        assert "the metadata has a caption for 'gone.png'" in screen.query_one("#finding-text").content.plain
        await pilot.press("space")
        assert app.draft.skipped == ()
        await pilot.press("a")
        assert "metadata-without-picture:gone.png" in app.draft.accepted
        assert not [key for key in app.draft.accepted if key.endswith("dog_1.png")]
        await pilot.press("a")
        assert app.draft.accepted == ()
        assert screen.query_one("#thumb").path is None


async def test_transparent_parts_are_shown_on_the_background_of_the_training(wizard: Wizard, draft: Draft) -> None:
    Image.new("RGBA", (1200, 1200), (0, 0, 0, 0)).save("photos/dog_1.png")
    draft.values["dataset.background"] = "#ff0000"
    app = wizard(draft)
    async with app.run_test() as pilot:
        screen = await opened(pilot)
        await on_row(pilot, screen, "dog_1.png")
        thumb = screen.query_one("#thumb")
        await until(pilot, lambda: thumb.shown and thumb.path.name == "dog_1.png")
        await until(pilot, lambda: thumb._shown.data[:3] == bytes((255, 0, 0)))
        await pilot.press("enter")
        await at(pilot, "PictureView")
        full = app.screen.query_one("#full")
        await until(pilot, lambda: full.shown and full._shown.data[:3] == bytes((255, 0, 0)))


async def test_capital_a_accepts_one_finding_for_all_that_is_shown(wizard: Wizard, draft: Draft) -> None:
    draw_photo(Path("photos/dog_1.png"), 1, (900, 900))  # also below the resolution
    app = wizard(draft)
    async with app.run_test() as pilot:
        screen = await opened(pilot)
        await show(pilot, screen, "trigger-missing")
        await pilot.press("A")
        assert app.draft.accepted == ("trigger-missing",)
        await until(pilot, lambda: "✓ accepted" in screen_text(app))


async def test_a_copy_is_put_right_and_taken(wizard: Wizard, draft: Draft) -> None:
    accepted = ("trigger-missing:dog_1.png", "metadata-without-picture:gone.png")
    app = wizard(draft.with_settings({"dataset.accept": accepted, "dataset.skip": ("dog_4.png",)}))
    before = {one: one.read_bytes() for one in Path("photos").iterdir()}
    async with app.run_test() as pilot:
        await opened(pilot)
        app.screen.edit(app.draft.with_fields(captions={"dog_0.png": "my own dog"}))
        await pilot.press("c")
        form = await at(pilot, "Form")
        assert [one.value for one in form.query(Input)] == ["photos-fixed", "TOK"]
        await pilot.press("enter", "enter")
        await at(pilot, "Confirm")
        assert "turned upright" in screen_text(app) and "5 of 5 copied" in screen_text(app)
        await pilot.press("enter")
        screen = await at(pilot, "PicturesScreen")
        await until(pilot, lambda: screen._report is not None and screen._report.folder.name == "photos-fixed")
        assert app.draft.values["dataset.path"] == "photos-fixed"
        assert app.draft.captions == {} and app.draft.skipped == ()
        assert app.draft.accepted == ("trigger-missing:dog_1.png",)
    assert Path("photos-fixed/dog_0.txt").read_text() == "TOK, my own dog\n"
    assert {one: one.read_bytes() for one in Path("photos").iterdir()} == before
    with Image.open("photos-fixed/dog_5.png") as upright:
        assert upright.size == (1100, 1300)
    done = json.loads(Path("photos-fixed/FIXED.json").read_text())["pictures"]["dog_5.png"]["done"]
    assert [one["code"] for one in done] == ["rotate", "metadata"]


@pytest.mark.parametrize(
    ("folder", "trigger", "said"), [("photos", "TOK", "folder of the originals"), ("new", "my dog", "my_dog")]
)
async def test_a_copy_that_cannot_be_is_a_sentence(
    wizard: Wizard, draft: Draft, folder: str, trigger: str, said: str
) -> None:
    app = wizard(draft)
    async with app.run_test(size=(120, 36)) as pilot:
        await opened(pilot)
        await pilot.press("c")
        form = await at(pilot, "Form")
        for field, value in zip(form.query(Input), (folder, trigger), strict=True):
            field.value = value
        await pilot.press("enter", "enter")
        await until(pilot, lambda: said in screen_text(app))
        assert app.draft.values["dataset.path"] == "photos"
    assert not Path("new").exists()


async def test_the_best_are_proposed_with_reasons_and_kept_on_yes(wizard: Wizard, draft: Draft) -> None:
    pytest.importorskip("loratui.curation.checks.best_pictures")
    app = wizard(draft)
    async with app.run_test() as pilot:
        screen = await opened(pilot)
        await pilot.press("b")
        editor = await at(pilot, "LineEditor")
        editor.query_one(Input).value = "9"
        await pilot.press("enter")
        await until(pilot, lambda: "Type a number from 1 to 6" in screen_text(app))
        await pilot.press("b")
        (await at(pilot, "LineEditor")).query_one(Input).value = "2"
        await pilot.press("enter")
        await at(pilot, "Confirm")
        assert "Keep these 2, skip 4?" in screen_text(app) and "1. dog_" in screen_text(app)
        await pilot.press("escape")
        assert app.draft.skipped == ()
        await pilot.press("b")
        (await at(pilot, "LineEditor")).query_one(Input).value = "2"
        await pilot.press("enter", "enter")
        await at(pilot, "PicturesScreen")
        await until(pilot, lambda: len(app.draft.skipped) == 4)
        assert app.draft.images == 2 and len(list(Path("photos").glob("*.png"))) == 6
        assert screen.rows_shown()


@pytest.mark.parametrize("size", SIZES)
async def test_everything_fits_the_terminal(wizard: Wizard, draft: Draft, size: tuple[int, int]) -> None:
    app = wizard(draft)
    async with app.run_test(size=size) as pilot:
        screen = await opened(pilot)
        assert screen_text(app).splitlines()[-1].endswith(("e Captions", "^p More"))  # the last key is whole
        for widget in screen.query("*"):
            assert not widget.show_horizontal_scrollbar, widget
        for keys, name in (("f", "Chooser"), ("c", "Form"), ("b", "LineEditor")):
            await pilot.press(keys)
            dialog = await at(pilot, name)
            assert not [one for one in dialog.query("*") if one.show_horizontal_scrollbar]
            await pilot.press("escape")
            await at(pilot, "PicturesScreen")


@pytest.mark.parametrize("size", [*SIZES, (80, 20)])
async def test_a_long_question_can_be_read_to_its_end(wizard: Wizard, draft: Draft, size: tuple[int, int]) -> None:
    for number in range(30):
        Image.new("RGB", (64, 64), (number, 3, 9)).save(f"photos/more_{number:02}.png")
    app = wizard(draft)
    async with app.run_test(size=size) as pilot:
        await opened(pilot)
        await pilot.press("c")
        await at(pilot, "Form")
        await pilot.press("enter", "enter")
        await at(pilot, "Confirm")
        assert "36 of 36 copied" in screen_text(app) and "more_29.png" not in screen_text(app)
        assert "Use the copies" in screen_text(app)  # the answers are in sight, however long the question
        await pilot.press(*["pagedown"] * 8)
        await until(pilot, lambda: "more_29.png" in screen_text(app))


async def test_hostile_words_stay_words_in_every_dialog(wizard: Wizard, draft: Draft) -> None:
    name = "\x1b[31m[@click=app.quit()]x.png"
    Path("photos", name).write_bytes(Path("photos/dog_0.png").read_bytes())
    Path("photos", name).with_suffix(".txt").write_text(HOSTILE)
    app = wizard(draft)
    async with app.run_test() as pilot:
        await opened(pilot)
        await pilot.press("f")
        await at(pilot, "Chooser")
        await pilot.press("escape", "c")
        await at(pilot, "Form")
        await pilot.press("enter", "enter")
        await at(pilot, "Confirm")
        assert not set(screen_text(app)) & {"\x1b", "\x07", "\x9b"} and "[@click=app" in screen_text(app)
        await pilot.click(".dialog-body", offset=(6, 1))
        assert app.is_running


def test_the_draft_on_copies_keeps_what_still_holds() -> None:
    from loratui.curation.copies.folder import FixedPicture, FixResult

    draft = Draft(values={"dataset.accept": ("a:x.webp", "b:gone.png", "few-pictures"), "dataset.skip": ("y.png",)})
    result = FixResult(Path("photos"), Path("new"), (FixedPicture("x.webp", "x.png", None),))
    moved = with_copies(draft, result, "~/new")
    assert moved.values == {"dataset.accept": ("a:x.png", "few-pictures"), "dataset.path": "~/new"}


def test_a_report_without_pictures_has_no_rows() -> None:
    from loratui.screens.wizard import picture_list as picturelist

    assert picturelist.chosen(Report(Path("x"), "face", ()), Draft(), "") == []
    only = PictureReport("a.png", Path("a.png"), True, 1, 1, None, "none", "")
    assert picturelist.chosen(Report(Path("x"), "face", (only,)), Draft(), "blurry") == []


async def test_what_is_counted_as_in_the_way_has_a_row_of_its_own(wizard: Wizard, photos: Path, draft: Draft) -> None:
    every = tuple(sorted(one.name for one in photos.glob("*.png")))
    app = wizard(draft.with_settings({"dataset.skip": every[:-1], "dataset.accept": tuple(CODES)}))
    async with app.run_test() as pilot:
        screen = await opened(pilot)
        assert "no-pictures" not in names(screen) and "in the way" not in screen_text(app)
        await on_row(pilot, screen, every[-1])
        await pilot.press("space")
        await until(pilot, lambda: "1 finding in the way" in screen_text(app))
        assert names(screen).count("no-pictures") == 1
