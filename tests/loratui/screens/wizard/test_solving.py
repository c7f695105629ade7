"""The key that solves a finding: each of its deeds, and its way back."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from loratui.app import LoratuiApp
from loratui.curation.copies.folder import FixedPicture, FixResult
from loratui.curation.copies.pixels import FixStep
from loratui.screens.wizard.copies import with_copies
from loratui.settings.drafts.draft import Draft
from tests.loratui.curation.conftest import PHOTOS, needs_photos
from tests.loratui.screens.conftest import at, draw_photo, on_row, opened, screen_text, until
from tests.loratui.screens.wizard.conftest import solve

pytestmark = pytest.mark.slow

Wizard = Callable[..., LoratuiApp]


@pytest.fixture
def draft(photos: Path) -> Draft:
    return Draft(step=1, values={"dataset.path": "photos", "dataset.trigger": "TOK"})


async def test_small_pictures_are_trained_at_their_own_size(wizard: Wizard, draft: Draft) -> None:
    for number in (1, 2):
        draw_photo(Path(f"photos/dog_{number}.png"), number, (700 + number, 700))
    app = wizard(draft)
    async with app.run_test() as pilot:
        screen = await opened(pilot)
        await on_row(pilot, screen, "low-resolution")
        assert "2 pictures are smaller than 1024 px (700)" in screen_text(app)
        await pilot.press("s", "enter")  # the first is the best
        await until(pilot, lambda: "low-resolution" not in [one.code for one in screen._report.all_findings])
        assert app.draft.values["train.resolution"] == 640
        await until(pilot, lambda: "Trained at 640 px. u takes it back." in screen_text(app))
        await pilot.press("u")
        await until(pilot, lambda: "low-resolution" in [one.code for one in screen._report.all_findings])
        assert "train.resolution" not in app.draft.values
        assert '✓ Taken back: "Trained at 640 px."' in screen_text(app), "a new look takes the words away"


async def test_one_small_picture_does_not_decide_for_the_whole_set(wizard: Wizard, draft: Draft) -> None:
    draw_photo(Path("photos/dog_1.png"), 1, (701, 700))
    app = wizard(draft)
    async with app.run_test() as pilot:
        screen = await opened(pilot)
        await on_row(pilot, screen, "low-resolution")
        await pilot.press("s")
        chooser = await at(pilot, "Chooser")
        smaller = "train at 640 px: large enough: 5 of 5 pictures"
        offers = ["skip 1 picture", "accept it: train all the same", smaller]
        assert [shown.plain for _, shown in chooser._lines] == offers


async def test_no_offer_leaves_nothing_to_learn_from(wizard: Wizard, draft: Draft) -> None:
    for number in range(5):
        draw_photo(Path(f"photos/dog_{number}.png"), number, (384, 400))
    app = wizard(draft)
    async with app.run_test() as pilot:
        screen = await opened(pilot)
        await on_row(pilot, screen, "low-resolution")
        await pilot.press("s")
        chooser = await at(pilot, "Chooser")
        assert [shown.plain for _, shown in chooser._lines] == [
            "train at 512 px, the least for this base model, and accept that they are enlarged to it",
            "accept it: train all the same",
        ]
        await pilot.press("enter")
        await until(pilot, lambda: "low-resolution" in app.draft.accepted)
        assert app.draft.values["train.resolution"] == 512


async def test_the_trigger_is_put_into_captions_that_lack_it(wizard: Wizard, draft: Draft) -> None:
    Path("photos/dog_1.txt").write_text("a dog")
    Path("photos/dog_2.txt").write_text("a tok cat")
    app = wizard(draft)
    async with app.run_test() as pilot:
        screen = await opened(pilot)
        await solve(pilot, screen, "trigger-missing", "put the trigger")
        assert app.draft.captions == {"dog_1.png": "TOK, a dog", "dog_2.png": "a TOK cat"}
        await pilot.press("u")
        assert app.draft.captions == {} and Path("photos/dog_1.txt").read_text() == "a dog"
        await solve(pilot, screen, "trigger-missing", "accept it")
        assert app.draft.accepted == ("trigger-missing",)


async def test_another_trainings_trigger_makes_room_for_ones_own(wizard: Wizard, draft: Draft) -> None:
    for number in (1, 2):
        Path(f"photos/dog_{number}.txt").write_text(f"sks dog, picture {number}")
    app = wizard(draft)
    async with app.run_test() as pilot:
        screen = await opened(pilot)
        await solve(pilot, screen, "other-trigger", "put the trigger")
        assert app.draft.captions == {f"dog_{number}.png": f"TOK dog, picture {number}" for number in (1, 2)}


def test_masked_copies_are_trained_masked(draft: Draft) -> None:
    for codes, masked in ((("mask",), True), (("rotate",), None)):
        fixed = FixedPicture("a.jpg", "a.jpg", None, tuple(FixStep(code, "") for code in codes))
        assert with_copies(draft, FixResult(Path("photos"), Path("new"), (fixed,)), "new").get("mask.enabled") is (
            masked or False
        )


async def test_one_of_two_is_left_out_and_the_ground_is_chosen(wizard: Wizard, draft: Draft) -> None:
    Path("photos/copy.png").write_bytes(Path("photos/dog_0.png").read_bytes())
    Image.new("RGBA", (1200, 1200), (9, 80, 0, 90)).save("photos/dog_1.png")
    app = wizard(draft)
    async with app.run_test() as pilot:
        screen = await opened(pilot)
        await solve(pilot, screen, "duplicate", "skip 1 picture")
        assert len(app.draft.skipped) == 1
        await solve(pilot, screen, "transparent", "choose the colour")
        await at(pilot, "Chooser")
        await pilot.press("down", "down", "enter")
        screen = await at(pilot, "PicturesScreen")
        assert app.draft.values["dataset.background"] == "#000000"
        await until(pilot, lambda: screen.session.scan.settings.background == "#000000")
        await pilot.press("u", "u")
        await until(pilot, lambda: app.draft.values == {**draft.values, "kind": "object"})


async def test_what_nothing_here_solves_says_why(wizard: Wizard, draft: Draft) -> None:
    Path("photos/.hidden.png").write_bytes(Path("photos/dog_0.png").read_bytes())
    app = wizard(draft)
    async with app.run_test() as pilot:
        screen = await opened(pilot)
        await on_row(pilot, screen, "hidden-files")
        await pilot.press("s")
        await until(pilot, lambda: "No file is renamed here" in screen_text(app))
        await on_row(pilot, screen, "dog_1.png")
        await pilot.press("s")
        await until(pilot, lambda: "nothing to solve here" in screen_text(app))


@needs_photos
async def test_copies_show_one_person_and_are_taken_back(wizard: Wizard, own_place: Path) -> None:
    Path("people").mkdir()
    with Image.open(PHOTOS / "whitehouse" / "obama.jpg") as one:
        face = one.convert("RGB").resize((480, 600))
    made = Image.new("RGB", (960, 600), "#557799")
    for place in ((0, 0), (480, 0)):
        made.paste(face, place)
    made.save("people/two.png")
    values = {"dataset.path": "people", "kind": "face", "train.resolution": 256}
    app = wizard(Draft(step=1, values=values))
    async with app.run_test() as pilot:
        screen = await opened(pilot)
        await solve(pilot, screen, "several-faces", "make copies cropped")
        form = await at(pilot, "Form")
        assert form.starts[0] == "people-cropped" and "1 picture cropped to a square" in screen_text(app)
        told = re.search(r"The copy will have (\d+) x \1 px", " ".join(screen_text(app).replace("│", "").split()))
        await pilot.press("enter", "enter")
        await at(pilot, "Confirm")
        await pilot.press("enter")
        await until(pilot, lambda: screen._report.folder.name == "people-cropped")
        made = screen._report.pictures[0]
        assert told is not None and (made.width, made.height) == (int(told[1]), int(told[1]))
        assert "several-faces" not in [found.code for found in screen._report.all_findings]
        await pilot.press("u")
        await until(pilot, lambda: screen._report.folder.name == "people")
        assert app.draft.values == values


async def test_a_preset_proposes_the_steps_that_suit_and_the_review_has_the_key(wizard: Wizard, chosen: Draft) -> None:
    app = wizard(chosen.with_settings({"kind": "style"}))
    async with app.run_test() as pilot:
        await at(pilot, "WelcomeScreen")
        await pilot.press("enter")
        screen = await at(pilot, "PresetScreen")
        assert screen.chosen.name == "style"
        await pilot.press("enter")
        await at(pilot, "Confirm")
        asked = " ".join(screen_text(app).replace("│", "").split())
        assert "Train 150 steps instead of 1,000?" in asked and "~ inferred" in asked
        await pilot.press("escape")  # decides nothing: one may take another preset
        await until(pilot, lambda: app.screen is screen)
        assert "train.steps" not in app.draft.values
        await pilot.press("enter")
        await at(pilot, "Confirm")
        await pilot.press("n")
        await at(pilot, "SettingsScreen")
        await pilot.press("f2")
        screen = await at(pilot, "ReviewScreen")
        await until(pilot, lambda: screen._plan is not None and not screen._asking)
        await until(pilot, lambda: "F3 takes 150 steps" in screen_text(app))
        await pilot.press("f3")
        await until(pilot, lambda: screen._resolved.config.train.steps == 150)
        await pilot.press("u")
        await until(pilot, lambda: screen._resolved.config.train.steps == 1000)


async def test_keeping_the_best_is_not_offered_where_it_would_keep_none(wizard: Wizard, draft: Draft) -> None:
    for number in range(12):
        draw_photo(Path(f"photos/dog_{number}.png"), number, (200, 200))  # far too small to be good
    app = wizard(draft)
    async with app.run_test() as pilot:
        screen = await opened(pilot)
        await on_row(pilot, screen, "many-pictures")
        await pilot.press("s")
        await until(pilot, lambda: "None of the pictures is good enough to keep" in screen_text(app))
        assert app.screen is screen


async def test_names_that_read_like_captions_are_taken_by_a_key(wizard: Wizard, draft: Draft) -> None:
    for number in range(5):
        Path(f"photos/dog_{number}.png").rename(f"photos/a TOK dog on a green meadow, {number}.png")
        Path(f"photos/dog_{number}.txt").unlink(missing_ok=True)
    app = wizard(draft)
    async with app.run_test() as pilot:
        screen = await opened(pilot)
        await on_row(pilot, screen, "captions-in-names")
        await until(pilot, lambda: "dataset.caption_column" in screen_text(app))  # the field, and no line of a file
        await pilot.press("s", "enter")
        await at(pilot, "LineEditor")
        await pilot.press("enter")
        await until(pilot, lambda: "captions-in-names" not in [one.code for one in screen._report.all_findings])
        assert all(one.caption and "green meadow" in one.caption for one in screen._report.pictures)
        assert app.draft.values["dataset.caption_column"] == "file_name"
