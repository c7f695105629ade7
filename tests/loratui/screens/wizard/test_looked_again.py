"""Pictures looked at again say what changed; captions are judged by the trigger; what is asked for goes when done."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from loratui.app import LoratuiApp
from loratui.runs.past_run import draft_of_answers
from loratui.settings.drafts.draft import Draft
from loratui.settings.drafts.store import DraftStore
from tests.loratui.screens.conftest import at, draw_photo, kind_chosen, on_row, opened, screen_text, until

Wizard = Callable[..., LoratuiApp]
pytestmark = pytest.mark.slow


def words(app: LoratuiApp) -> str:
    return " ".join(screen_text(app).replace("│", " ").split())


async def test_r_says_what_changed(wizard: Wizard, chosen: Draft, photos: Path) -> None:
    app = wizard(chosen.with_fields(step=1))
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(pilot)
        await pilot.press("r")
        await until(pilot, lambda: "Read again: nothing changed." in words(app))
        draw_photo(photos / "dog_9.png", 9)
        (photos / "dog_0.png").unlink()
        (photos / "dog_0.txt").unlink()
        (photos / "dog_1.txt").write_text("a TOK dog on a hill")
        await pilot.press("r")
        await until(pilot, lambda: "Read again: 1 picture new, 1 picture gone, 1 caption changed" in words(app))


async def test_written_captions_are_told(wizard: Wizard, chosen: Draft, photos: Path) -> None:
    draft = chosen.with_fields(step=1, captions={"dog_4.png": "a TOK dog asleep"})
    app = wizard(draft)
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(pilot)
        await pilot.press("f2")
        await at(pilot, "Question")
        await pilot.press("y")
        await until(pilot, lambda: "1 caption written beside the pictures." in words(app))
    assert (photos / "dog_4.txt").read_text() == "a TOK dog asleep\n"


async def test_captions_are_judged_by_the_trigger_once_it_was_asked(wizard: Wizard, photos: Path) -> None:
    for file in photos.glob("*.txt"):
        file.write_text(file.read_text().replace("TOK ", ""))
    app = wizard()
    async with app.run_test(size=(80, 24)) as pilot:
        await at(pilot, "WelcomeScreen")
        await pilot.press("f2")
        screen = await at(pilot, "PicturesScreen")
        await pilot.press(*"photos", "enter")
        await kind_chosen(pilot)
        await until(pilot, lambda: screen._report is not None)
        assert "trigger-missing" not in {one.code for one in screen._report.all_findings}
        await pilot.press("f2")
        await at(pilot, "ConceptScreen")
        await pilot.press("f2")
        question = await at(pilot, "Confirm")
        assert "without the trigger" in words(app)
        await pilot.press("y")  # back to the pictures: there it has a key
        screen = await at(pilot, "PicturesScreen")
        assert question is not screen
        await until(pilot, lambda: "without the trigger" in words(app))


async def test_the_review_leads_to_the_pictures_and_back(wizard: Wizard, chosen: Draft, photos: Path) -> None:
    """What it names as a remedy has a key there, and what is decided counts here."""
    (photos / "dog_2.txt").write_text("a dog without it")
    app = wizard(chosen.with_fields(step=5, preset="object"))
    async with app.run_test(size=(80, 24)) as pilot:
        await at(pilot, "WelcomeScreen")
        await pilot.press("enter")
        review = await at(pilot, "ReviewScreen")
        await until(pilot, lambda: "s Solve" in screen_text(app).splitlines()[-1])
        await pilot.press("s")
        screen = await at(pilot, "PicturesScreen")
        await until(pilot, lambda: screen._report is not None)
        await pilot.press("A", "f2")
        assert await at(pilot, "ReviewScreen") is review
        await until(pilot, lambda: "s Solve" not in screen_text(app).splitlines()[-1])
        assert review.draft.accepted and app.draft.accepted == review.draft.accepted


async def test_f5_says_what_it_changed_and_u_takes_it_back(wizard: Wizard, chosen: Draft, photos: Path) -> None:
    from loratui.planning.hardware import Machine

    app = wizard(chosen.with_fields(step=5, preset="object"), Machine("cpu", "a processor", 0, 0))
    async with app.run_test(size=(80, 24)) as pilot:
        await at(pilot, "WelcomeScreen")
        await pilot.press("enter")
        review = await at(pilot, "ReviewScreen")
        await until(pilot, lambda: "f5 Small SDXL" in screen_text(app))
        await pilot.press("f5")
        await until(pilot, lambda: "The small SDXL: resolution 1024 to 64" in words(app) and "Ready: F2" in words(app))
        await pilot.press("u")
        await until(pilot, lambda: "f5 Small SDXL" in screen_text(app))
        assert "train.resolution" not in review.draft.values


async def test_answers_come_with_the_steps_of_their_pictures(wizard: Wizard, photos: Path, own_place: Path) -> None:
    """`--from`: past the step that looks at pictures, the number is found out and the preset's steps follow it."""
    file = own_place / "answers.toml"
    file.write_text('schema = 1\npreset = "object"\n\n[dataset]\npath = "photos"\ntrigger = "TOK"\n')
    past = draft_of_answers(file)
    app = LoratuiApp(store=wizard().store, past=past)
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await at(pilot, "SettingsScreen")
        await until(pilot, lambda: "500" in screen_text(app))
        assert screen.form.rows["train.steps"].value == "500" and app.draft.images == 5
        assert "train.steps" not in app.draft.values


async def test_the_step_bar_marks_pictures_left_with_something_to_decide(wizard: Wizard, photos: Path) -> None:
    (photos / "dog_1.txt").write_text("a dog")  # without the trigger
    app = wizard(Draft(step=1, values={"dataset.path": "photos", "dataset.trigger": "TOK"}))
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(pilot)
        await pilot.press("f2")
        await at(pilot, "ConceptScreen")
        assert "! Pictures  ● Subject" in screen_text(app)
        await pilot.press("escape")
        await until(pilot, lambda: app.screen.query("#table") and app.screen._report is not None)
        await on_row(pilot, app.screen, "trigger-missing")
        await pilot.press("a", "f2")
        await at(pilot, "ConceptScreen")
        assert "✓ Pictures  ● Subject" in screen_text(app)


async def test_what_the_line_asks_for_goes_when_it_is_done(wizard: Wizard, photos: Path) -> None:
    app = wizard(Draft(step=1))
    async with app.run_test(size=(80, 24)) as pilot:
        await at(pilot, "WelcomeScreen")
        await pilot.press("enter")
        screen = await at(pilot, "PicturesScreen")
        await pilot.press("f2")
        assert "✗ Type the folder" in screen_text(app)
        await pilot.press("p")
        assert "✗" not in screen_text(app)
        await pilot.press(*"hotos", "enter")
        await until(pilot, lambda: screen._report is not None)
        for _ in screen.rows_shown():
            if screen.picture is not None:
                await pilot.press("space")
            await pilot.press("down")
        await pilot.press("f2")
        assert "✗ All pictures are skipped" in screen_text(app)
        await pilot.press("space", "f2")
        await at(pilot, "ConceptScreen")
        screen = app.screen
        screen.set_focus(screen.query_one("#prompt"))
        await pilot.press("end", *("backspace" for _ in range(40)), *"a dog", "f2")
        assert "✗ Put right what is marked above" in screen_text(app)
        await pilot.press(*" TOK")
        assert "✗" not in screen_text(app)


async def test_captions_that_are_in_no_file_are_told_when_the_program_is_left_and_begun_again(
    wizard: Wizard, chosen: Draft, photos: Path
) -> None:
    draft = chosen.with_fields(step=1, captions={"dog_4.png": "a TOK dog asleep"})
    app = wizard(draft)
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(pilot)
        assert "! 1 edited caption not in a file yet: F2 asks whether to write it." in words(app)


async def test_what_is_typed_into_a_prompt_that_was_filled_in_stands_behind_it(wizard: Wizard, chosen: Draft) -> None:
    app = wizard(chosen.with_fields(step=2).with_settings({"dataset.class_word": None}))
    async with app.run_test(size=(80, 24)) as pilot:
        await at(pilot, "WelcomeScreen")
        await pilot.press("enter")
        await at(pilot, "ConceptScreen")
        await pilot.press("tab", *"dog", "tab", *" asleep")
        assert app.draft.get("dataset.instance_prompt") == "a photo of a TOK dog asleep"


async def test_the_step_bar_ticks_only_pictures_that_were_looked_at(wizard: Wizard, photos: Path) -> None:
    """Also after a restart at a later step, where nobody looks at them again: what was left to decide is kept."""
    (photos / "dog_1.txt").write_text("a dog")  # without the trigger
    values = {"dataset.path": "photos", "dataset.trigger": "TOK"}
    app = wizard(Draft(step=2, values=values, images=5))
    async with app.run_test(size=(80, 24)) as pilot:
        await at(pilot, "WelcomeScreen")
        await pilot.press("enter")
        await at(pilot, "ConceptScreen")
        assert "○ Pictures  ● Subject" in screen_text(app)
        await pilot.press("escape")
        await until(pilot, lambda: app.screen.query("#table") and app.screen._report is not None)
        await pilot.press("f2")
        await at(pilot, "ConceptScreen")
        assert "! Pictures  ● Subject" in screen_text(app)
    app = LoratuiApp(store=DraftStore(app.store._folder))
    async with app.run_test(size=(80, 24)) as pilot:
        await at(pilot, "WelcomeScreen")
        await pilot.press("enter")
        await at(pilot, "ConceptScreen")
        assert "! Pictures  ● Subject" in screen_text(app)
