"""A run that would not work here is not called ready, and each way out is a key."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from loratui.app import LoratuiApp
from loratui.planning.hardware import Machine
from loratui.settings.answers import read_answers
from loratui.settings.drafts.draft import Draft
from tests.loratui.screens.conftest import SIZES, assert_snapshot, at, screen_text, until
from tests.loratui.screens.wizard.test_review import review

pytestmark = pytest.mark.slow

Wizard = Callable[..., LoratuiApp]
NO_GPU = Machine("cpu", "the CPU", 64_000_000_000, 60_000_000_000, flops=50e9)


@pytest.fixture
def ready(chosen: Draft) -> Draft:
    return chosen.with_fields(step=5, preset="object")


def words(app: LoratuiApp) -> str:
    """The screen with its lines put together."""
    return " ".join(screen_text(app).replace("│", " ").split())


async def judged(pilot: Pilot[Any]) -> Any:
    screen = await review(pilot)
    await until(pilot, lambda: screen._plan.verdict is not None)
    await pilot.pause()
    return screen


@pytest.mark.parametrize("size", SIZES)
async def test_without_a_gpu_the_first_line_says_so(wizard: Wizard, ready: Draft, size: tuple[int, int]) -> None:
    app = wizard(ready.with_settings({"name": "dog"}), NO_GPU)
    async with app.run_test(size=size) as pilot:
        await judged(pilot)
        assert "! No GPU here: 500 steps of a full-size SDXL take about 40 h at the very least" in words(app)
        assert "Ready" not in words(app) and "✗" not in words(app)
        assert "f5 Small SDXL" in words(app) and "f7 Write answers" in words(app)
        assert_snapshot(app, "review-no-gpu")


async def test_f2_asks_before_days_of_training(wizard: Wizard, ready: Draft) -> None:
    app = wizard(ready, NO_GPU)
    async with app.run_test() as pilot:
        screen = await judged(pilot)
        await pilot.press("f2")
        await at(pilot, "Confirm")
        assert "Train here all the same?" in words(app)
        await pilot.press("enter")  # the careful answer
        assert app.screen is screen
    assert not Path("runs").exists()


async def test_f5_takes_the_small_model(wizard: Wizard, ready: Draft) -> None:
    app = wizard(ready, NO_GPU)
    async with app.run_test() as pilot:
        screen = await judged(pilot)
        await pilot.press("f5")
        await until(pilot, lambda: "Ready: F2 starts the training" in words(app))
        assert "No GPU" not in words(app) and not screen._plan.first
        assert app.draft.values["model.base"] == "sdxl-small"
        assert app.store.load().draft.values["train.resolution"] == 64
        await pilot.press("f5")  # there is no more to do
        assert "f5" not in words(app)


async def test_what_u_takes_back_is_said_and_done_again(wizard: Wizard, ready: Draft) -> None:
    """Also within a sentence that somebody meant for another window: it takes back nothing in silence, nor for good."""
    app = wizard(ready, NO_GPU)
    async with app.run_test() as pilot:
        screen = await judged(pilot)
        before = app.draft
        await pilot.press("f5")
        await until(pilot, lambda: "u takes it back." in words(app))
        small = app.draft
        await pilot.press(*"run it for me")
        await until(pilot, lambda: 'Taken back: "The small SDXL' in words(app) and "U does it again." in words(app))
        assert app.draft.values == before.values and "Not ready: no GPU" in words(app)
        await pilot.press("U")
        await until(pilot, lambda: "u takes it back." in words(app))
        assert app.draft.values == small.values and "Ready: F2 starts" in words(app)
        await pilot.press("u", "U", "u")
        assert app.draft.values == before.values
        await pilot.press("f5")  # another decision: what was taken back before it is gone
        assert not screen.session.redo and "U does it again" not in words(app)


async def test_the_same_base_model_again_is_no_decision(wizard: Wizard, ready: Draft) -> None:
    app = wizard(ready.with_settings({"model.base": "sdxl-small"}), NO_GPU)
    async with app.run_test() as pilot:
        screen = await judged(pilot)
        screen._base_taken("sdxl-small")
        assert not screen.session.undo and "u takes it back" not in words(app)


async def test_a_long_answer_is_whole_at_80_columns(wizard: Wizard, ready: Draft) -> None:
    app = wizard(ready, NO_GPU)
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await judged(pilot)
        decided = "The small SDXL: resolution 1024 to 64, precision bf16 to fp32, gradient checkpointing auto to off."
        screen.say(f"{decided} u takes it back. F2 starts, after asking about 7 findings; s solves them.", "warn")
        await until(pilot, lambda: "findings; s solves them." in words(app))


async def test_f7_writes_the_answers_for_another_machine(wizard: Wizard, ready: Draft) -> None:
    app = wizard(ready.with_settings({"name": "rex", "train.device": "cpu"}), NO_GPU)
    async with app.run_test() as pilot:
        await judged(pilot)
        await pilot.press("f7")
        await at(pilot, "Form")
        await pilot.press("enter")
        await at(pilot, "CopyBox")
        assert "loratui replay rex.toml --set dataset.path=photos" in app.clipboard
        assert "scp -r rex.toml photos USER@MACHINE:" in app.clipboard
        await pilot.press("escape", "f7", "enter")
        await at(pilot, "Confirm")
        assert "Write over it?" in words(app)
        await pilot.press("escape")
        await at(pilot, "Form")
    written = read_answers(Path("rex.toml"))
    assert written.preset == "object" and written.values["dataset.trigger"] == "TOK"
    assert "train.device" not in written.values
    assert not Path("runs").exists()


async def test_a_base_model_that_cannot_be_fetched_stops_the_start_until_it_can(
    wizard: Wizard, ready: Draft, monkeypatch: pytest.MonkeyPatch, sdxl_hub: str
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    app = wizard(ready)
    async with app.run_test() as pilot:
        screen = await review(pilot)
        assert "is not completely on this disk, and the hub cannot be reached" in words(app)
        assert "It cannot start here: the lines with ✗ say why." in words(app)
        await pilot.press("f2")
        await pilot.pause()
        assert app.screen is screen and not Path("runs").exists()
        await pilot.press("f8")
        await at(pilot, "BaseModelScreen")
        await pilot.press("escape")
        await at(pilot, "ReviewScreen")
        monkeypatch.setenv("HF_ENDPOINT", sdxl_hub)
        await pilot.press("f2")  # asks again
        await until(pilot, lambda: "Ready: F2 starts the training" in words(app))
        assert "not whole" not in words(app)
