"""The result: drawn by two keys with the base model beside, the hint's step in the strip, renamed, noted, deleted."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from loratui.events.history import SamplePicture
from loratui.screens.results.generated_pictures import GeneratedScreen
from loratui.widgets.wall import spread
from tests.loratui.screens.conftest import at, screen_text, until
from tests.loratui.screens.results.test_result import make_run, result
from trainer.contract.run.rundir import RunDir

pytestmark = pytest.mark.slow


@pytest.fixture
def run(own_place: Path) -> RunDir:
    return make_run(own_place / "runs" / "2026-11-23-1000-dog")


async def test_g_and_enter_draw(run: RunDir) -> None:
    async with result(run) as (_, pilot, _screen):
        await pilot.press("g", "enter")
        job = await at(pilot, "JobScreen")
        assert job._job.command[-1] == "a photo of a TOK dog" and "--base" in job._job.command


async def test_the_base_models_picture_stands_beside_each(run: RunDir) -> None:
    files = [run.samples / f"{name}.png" for name in ("a-7-base", "a-8-base", "a-7", "a-8")]
    for file in files:
        shutil.copy(run.samples / "000030-0.png", file)
    async with result(run) as (app, pilot, _):
        app.push_screen(GeneratedScreen(tuple(files), "a TOK"))
        screen = await at(pilot, "GeneratedScreen")
        await until(pilot, lambda: screen.query_one("#made").shown and screen.query_one("#made-base").shown)
        assert "1 of 2 · left: the base model · a TOK" in screen_text(app)
        await pilot.press("right", "y")
        await at(pilot, "CopyBox")
        assert app.clipboard.endswith("a-8.png")


async def test_renamed_noted_and_deleted(run: RunDir) -> None:
    async with result(run) as (app, pilot, _):
        await pilot.press("t", *"soft", "enter")
        await until(pilot, lambda: "Note: soft" in screen_text(app))
        await pilot.press("N", *["backspace"] * 40, *"my best", "enter")
        await until(pilot, lambda: "a space in it" in screen_text(app))  # what was typed stays, and can be mended
        await pilot.press(*["backspace"] * 5, *["delete"] * 5, *["backspace"] * 5, *"best", "enter")
        await until(pilot, lambda: "~/runs/best/export" in screen_text(app))
        await pilot.press("x", "enter")
        assert (run.path.parent / "best").is_dir()
        await pilot.press("x", "y")
        await until(pilot, lambda: not (run.path.parent / "best").exists())
    assert app.return_value == "best: its folder is gone, deleted or moved."


def test_the_step_of_the_hint_is_always_in_the_strip() -> None:
    pictures = [SamplePicture(step, 0, "", 0, "", "") for step in range(0, 1100, 100)]
    for wanted in range(0, 1001, 100):
        for columns in (3, 4, 5):
            steps = [one.step for one in spread(pictures, columns, wanted)]
            assert wanted in steps and steps[0] == 0 and steps[-1] == 1000 and len(set(steps)) == columns
            assert steps == sorted(steps)
    assert [one.step for one in spread(pictures, 3, 540)] == [0, 500, 1000]


async def test_b_opens_a_new_run_that_starts_from_this_lora(run: RunDir) -> None:
    answers = 'schema = 1\npreset = "object"\nname = "dog"\n\n[dataset]\npath = "/nowhere"\n\n[train]\nrank = 8\n'
    run.answers.write_text(answers)
    async with result(run) as (app, pilot, _):
        await pilot.press("b")
        await at(pilot, "PicturesScreen")
        assert app.draft.values["train.start_from"] == str(run.path)
        assert app.draft.values["train.rank"] == 8 and "name" not in app.draft.values
    assert run.answers.read_text() == answers
