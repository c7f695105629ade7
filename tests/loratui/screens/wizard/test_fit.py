"""The plan against the machine: what does not fit is said, F4 shows what helps and does it; it can be taken back."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from textual.pilot import Pilot

from loratui.app import LoratuiApp
from loratui.planning.fitting import WITH_BITS, propose
from loratui.planning.hardware import Machine, MemoryHolder
from loratui.planning.lines import fitting_lines
from loratui.screens.shared.session import Session
from loratui.screens.wizard.plan_words import fitting_words
from loratui.settings.drafts.draft import Draft
from loratui.settings.drafts.store import DraftStore
from tests.loratui.screens.conftest import HOSTILE, SIZES, assert_snapshot, at, screen_text, until
from trainer.contract.settings.config import TrainConfig, nested

Wizard = Callable[..., LoratuiApp]
GB = 1_000_000_000
SMALL_GPU = Machine("cuda", "NVIDIA GeForce RTX 3080", 10 * GB, 9 * GB, (MemoryHolder(7, "blender", GB),))


@pytest.fixture
def heavy(chosen: Draft) -> Draft:
    """A draft at the review whose run is too much for 10 GB."""
    own = {"train.gradient_checkpointing": "off", "train.batch": 4, "name": "dog"}
    own |= {"train.rank": 32, "train.targets": "attention"}
    return chosen.with_fields(step=5, preset="object").with_settings(own)


async def judged(pilot: Pilot[Any]) -> Any:
    """The review with its plan judged against the machine."""
    await at(pilot, "WelcomeScreen")
    await pilot.press("enter")
    screen = await at(pilot, "ReviewScreen")
    await until(pilot, lambda: screen._plan is not None and screen._plan.verdict is not None and not screen._asking)
    await pilot.pause()
    return screen


@pytest.mark.slow
@pytest.mark.parametrize("size", SIZES)
async def test_f4_makes_it_fit_and_settings_takes_it_back(wizard: Wizard, heavy: Draft, size: tuple[int, int]) -> None:
    app = wizard(heavy, SMALL_GPU)
    async with app.run_test(size=size) as pilot:
        screen = await judged(pilot)
        assert "does not fit: 2" in screen_text(app) and "Make it fit" in screen_text(app)
        assert_snapshot(app, "review-too-much")
        await pilot.press("f4")
        await at(pilot, "Confirm")
        assert_snapshot(app, "make-it-fit")
        await pilot.press("enter")
        await until(pilot, lambda: app.screen is screen and screen._plan.verdict.fits)
        await pilot.pause()
        assert "It fits with" in screen_text(app) and "Make it fit" not in screen_text(app)
        changed = app.draft.values
        assert changed["train.gradient_checkpointing"] == "blocks"
        assert changed["model.quantize"] == "int8"
        assert app.store.load().draft.values == changed  # kept at once
        assert_snapshot(app, "review-made-to-fit")
        await pilot.press("escape")
        settings = await at(pilot, "SettingsScreen")
        await pilot.press("slash", *"model.quantize", "enter")
        assert settings.form.rows["model.quantize"].differs
        await pilot.press("r")
        await until(pilot, lambda: "model.quantize" not in app.draft.values)


@pytest.mark.slow
async def test_f4_works_from_a_field_and_escape_leaves_all_as_it_was(wizard: Wizard, heavy: Draft) -> None:
    app = wizard(heavy, SMALL_GPU)
    async with app.run_test() as pilot:
        screen = await judged(pilot)
        screen.query_one("#name").focus()
        await pilot.press("f4")
        await at(pilot, "Confirm")
        await pilot.press("escape")
        await until(pilot, lambda: app.screen is screen)
        assert app.draft.values == heavy.values
        assert screen._plan.proposal is not None


@pytest.mark.parametrize("width", [40, 68])
def test_what_a_package_would_spare_stands_beside_it_in_the_words_of_the_plan(width: int) -> None:
    start = TrainConfig.model_validate(nested({"train.batch": 1}))
    found = propose(start, 5, 8 << 30, eight_bit=False)
    assert found.with_bits is not None and "model.quantize" not in found.settings
    words = " ".join(fitting_words(found, width).plain.split())
    assert WITH_BITS in words and WITH_BITS in fitting_lines(found)
    assert words.index(found.changes[-1].words) < words.index(WITH_BITS) < words.index("model.quantize off -> int8")


async def test_f4_does_nothing_where_it_fits(wizard: Wizard, chosen: Draft) -> None:
    app = wizard(chosen.with_fields(step=5, preset="object"))
    async with app.run_test() as pilot:
        screen = await judged(pilot)
        await pilot.press("f4")
        await pilot.pause()
        assert app.screen is screen and "Make it fit" not in screen_text(app)


@pytest.mark.slow
async def test_it_is_said_when_no_setting_helps(wizard: Wizard, heavy: Draft) -> None:
    app = wizard(heavy, Machine("cuda", "A GPU", 2 * GB, 2 * GB))
    async with app.run_test(size=(120, 36)) as pilot:
        screen = await judged(pilot)
        await pilot.press("f4")
        await at(pilot, "Confirm")
        assert "not enough: more memory is needed" in screen_text(app)
        await pilot.press("enter")
        await until(pilot, lambda: app.screen is screen and not screen._plan.proposal.changes)
        await pilot.press("f4")
        await until(pilot, lambda: "No setting would make it fit" in screen_text(app))
        assert app.screen is screen


@pytest.mark.slow
async def test_smaller_pictures_are_checked_again(wizard: Wizard, heavy: Draft) -> None:
    """What the check of the pictures says depends on the resolution."""
    app = wizard(
        heavy.with_settings({"train.resolution": 2048, "train.rank": 8}), Machine("cuda", "A GPU", 6 * GB, 6 * GB)
    )
    async with app.run_test() as pilot:
        screen = await judged(pilot)
        before = app.session.scan
        assert screen._plan.proposal.settings["train.resolution"] < 2048
        await pilot.press("f4")
        await at(pilot, "Confirm")
        await pilot.press("enter")
        await until(pilot, lambda: app.session.scan is not before)
        await until(pilot, lambda: screen._plan is not None and screen._plan.verdict.fits)
        assert app.session.scan.settings.resolution == app.draft.values["train.resolution"]


async def test_the_plan_is_there_before_the_gpu_has_answered(chosen: Draft, own_place: Any) -> None:
    answer = threading.Event()

    def slow(_device: str) -> Machine:
        answer.wait(60)
        return SMALL_GPU

    store = DraftStore(own_place / "state")
    store.save(chosen.with_fields(step=5, preset="object"))
    app = LoratuiApp(store=store, session=Session(look=slow))
    async with app.run_test() as pilot:
        await at(pilot, "WelcomeScreen")
        await pilot.press("enter")
        screen = await at(pilot, "ReviewScreen")
        await until(pilot, lambda: screen._plan is not None)
        assert screen._plan.verdict is None and "Looking at the GPU" in screen_text(app)
        answer.set()
        await until(pilot, lambda: screen._plan.verdict is not None)


@pytest.mark.slow
async def test_names_of_gpus_and_processes_are_shown_harmless(wizard: Wizard, heavy: Draft) -> None:
    machine = Machine("cuda", HOSTILE, 48 * GB, 9 * GB, (MemoryHolder(7, HOSTILE, 39 * GB),))
    app = wizard(heavy, machine)
    async with app.run_test(size=(120, 60)) as pilot:
        screen = await judged(pilot)
        screen.query_one("#plan").scroll_end(animate=False)
        await pilot.pause()
        assert "fits only if nothing else runs on the GPU" in str(screen._plan.verdict.words)
        assert not set(screen_text(app)) & {"\x1b", "\x07", "\x9b"}
        assert "[@click=app.quit()]x[/] [b]y" in screen_text(app)  # shown, not acted upon
