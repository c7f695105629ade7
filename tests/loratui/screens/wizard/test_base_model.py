"""The base model picker: every key, on real files, a real cache and a hub on 127.0.0.1."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy
import pytest
from safetensors.numpy import save_file
from textual.pilot import Pilot
from textual.widgets import Input, OptionList

from loratui.app import LoratuiApp
from loratui.basemodels.facts import BaseModelNeed
from loratui.basemodels.hub import HubFacts, _keep
from loratui.screens.shared.base_model import BaseModelScreen
from loratui.screens.shared.base_model_words import KNOWN
from loratui.settings.drafts.draft import Draft
from loratui.settings.recent_bases import recent_bases
from tests.hubplace import hub_at
from tests.hubserver import serving
from tests.loratui.screens.conftest import HOSTILE, SIZES, assert_snapshot, at, screen_text, until
from trainer.contract.basemodel.inspect import small_model
from trainer.contract.settings.model import SDXL

NAME = "owner/small-sdxl"


@pytest.fixture(autouse=True)
def quiet_hub(own_place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A hub's cache of its own, and no hub unless a test serves one."""
    hub_at(monkeypatch, own_place / "hf")
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")


def told(name: str, size: float, licence: str = "openrail++", gated: bool = False) -> None:
    """What the hub said of a model the last time."""
    files = {"unet/diffusion_pytorch_model.fp16.safetensors": int(size), "sd_xl.safetensors": 10**10}
    _keep(name, HubFacts(files, licence, gated))


async def opened(pilot: Pilot[Any], value: str = "sdxl-small") -> tuple[BaseModelScreen, list[str | None]]:
    """The picker with everything looked at, and where its answer will stand."""
    answers: list[str | None] = []
    await at(pilot, "WelcomeScreen")
    screen = BaseModelScreen(value, BaseModelNeed())
    pilot.app.push_screen(screen, answers.append)
    await at(pilot, "BaseModelScreen")
    await until(pilot, lambda: set(screen._seen) >= set(KNOWN))
    return screen, answers


async def on_model(pilot: Pilot[Any], screen: BaseModelScreen, value: str) -> None:
    screen.query_one("#models", OptionList).highlighted = screen._values.index(value)
    await pilot.pause()


@pytest.mark.parametrize("size", SIZES)
async def test_the_picker_at_both_sizes(
    size: tuple[int, int], wizard: Callable[[Draft | None], LoratuiApp], own_place: Path
) -> None:
    told(SDXL, 5.14e9)
    told("madebyollin/sdxl-vae-fp16-fix", 0)
    told("RunDiffusion/Juggernaut-XL-v9", 5.2e9, "creativeml-openrail-m", gated=True)
    async with wizard(None).run_test(size=size) as pilot:
        screen, _ = await opened(pilot)
        assert_snapshot(pilot.app, "basemodel-small")
        await on_model(pilot, screen, "RunDiffusion/Juggernaut-XL-v9")
        assert "yes: accept its terms first" in screen_text(pilot.app)
        shown = screen_text(pilot.app)
        assert "hf auth login" in shown and "5.2 GB to download" in shown
        assert screen.query_one("#base-facts").max_scroll_x == 0


@pytest.mark.slow
async def test_enter_f2_and_escape_answer(wizard: Callable[[Draft | None], LoratuiApp]) -> None:
    async with wizard(None).run_test(size=(80, 24)) as pilot:
        for key, value in (("enter", SDXL), ("f2", SDXL), ("escape", None)):
            screen, answers = await opened(pilot)
            await on_model(pilot, screen, SDXL)
            await pilot.press(key)
            await until(pilot, lambda found=answers: bool(found))
            assert answers == [value]
        assert recent_bases() == []  # those of the list are there anyway


@pytest.mark.slow
async def test_what_was_typed_is_looked_at_and_nothing_else_is_taken(
    wizard: Callable[[Draft | None], LoratuiApp],
) -> None:
    """Also from the list, where Escape leads: the cursor stands on another model there."""
    async with wizard(None).run_test(size=(80, 24)) as pilot:
        screen, answers = await opened(pilot)
        await pilot.press("slash", *"/no/model.safetensors", "escape", "f2")
        await until(pilot, lambda: "/no/model.safetensors" in screen._seen)
        await pilot.pause()
        assert not answers and pilot.app.screen is screen and "✗" in screen_text(pilot.app)


@pytest.mark.slow
async def test_a_typed_folder_and_file_are_looked_at_before_they_are_taken(
    wizard: Callable[[Draft | None], LoratuiApp], own_place: Path
) -> None:
    shutil.copytree(small_model(), own_place / "mine")
    save_file({"lora_unet_x.lora_down.weight": numpy.zeros((4, 4), "float32")}, own_place / "style.safetensors")
    async with wizard(None).run_test(size=(80, 24)) as pilot:
        screen, answers = await opened(pilot)
        await pilot.press("slash", *"mi")
        line = screen.query_one("#base-typed", Input)
        await until(pilot, lambda: line._suggestion == "mine")
        await pilot.press("right", "enter")
        await until(pilot, lambda: "mine" in screen._seen)
        await pilot.pause()
        assert not answers and "a diffusers folder" in screen_text(pilot.app)
        # a LoRA is no base model: it is shown with what it is, and not taken
        await pilot.press("slash")
        line.value = ""
        await pilot.press(*"st")
        await until(pilot, lambda: line._suggestion == "style.safetensors")
        await pilot.press("right", "f2")
        await until(pilot, lambda: "style.safetensors" in screen._seen)
        await pilot.pause()
        assert "is a LoRA" in screen_text(pilot.app)
        await pilot.press("enter")
        await pilot.pause()
        assert not answers
        await on_model(pilot, screen, "mine")
        await pilot.press("enter")
        await until(pilot, lambda: bool(answers))
        assert answers == ["mine"] and recent_bases() == ["mine"]


@pytest.mark.slow
async def test_escape_leaves_the_line_and_help_says_the_keys(wizard: Callable[[Draft | None], LoratuiApp]) -> None:
    async with wizard(None).run_test(size=(80, 24)) as pilot:
        screen, answers = await opened(pilot)
        await pilot.press("slash", "x", "escape")
        assert screen.query_one("#models").has_focus and not answers
        await pilot.press("f1")
        await at(pilot, "Help")
        assert "ask the hub again" in screen_text(pilot.app)
        await pilot.press("escape")
        assert await at(pilot, "BaseModelScreen") is screen


@pytest.mark.slow
async def test_the_hub_is_asked_about_the_model_under_the_cursor(
    wizard: Callable[[Draft | None], LoratuiApp], monkeypatch: pytest.MonkeyPatch
) -> None:
    about = {NAME: {"gated": "auto", "cardData": {"license": HOSTILE}}}
    with serving({NAME: small_model()}, about=about) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        async with wizard(None).run_test(size=(120, 36)) as pilot:
            screen, _ = await opened(pilot)
            await pilot.press("h")
            assert "Only a model of the hub" in screen_text(pilot.app)
            await pilot.press("slash", *NAME, "enter")
            await until(pilot, lambda: NAME in screen._seen and screen._seen[NAME].known.gated is True)
            await pilot.pause()
            shown = screen_text(pilot.app)
            assert "8.5 MB to download" in shown and "accept its terms" in shown
            assert "\x1b" not in shown and "␛" in shown and "[b]y" in shown
            before = len([one for one in hub.asked if NAME in one])
            await pilot.press("h")
            await until(pilot, lambda: len([one for one in hub.asked if NAME in one]) > before)


async def test_without_a_hub_it_says_so_and_the_model_can_still_be_taken(
    wizard: Callable[[Draft | None], LoratuiApp],
) -> None:
    async with wizard(None).run_test(size=(80, 24)) as pilot:
        screen, answers = await opened(pilot)
        await on_model(pilot, screen, SDXL)
        await until(pilot, lambda: bool(screen._troubles.get(SDXL)))
        await pilot.pause()
        assert "the hub cannot be reached" in " ".join(screen_text(pilot.app).split())
        await pilot.press("enter")
        await until(pilot, lambda: answers == [SDXL])


@pytest.mark.slow
async def test_enter_on_the_setting_opens_it_and_its_answer_is_kept(
    wizard: Callable[[Draft | None], LoratuiApp], chosen: Draft
) -> None:
    draft = chosen.with_fields(step=4, preset="object")
    async with wizard(draft).run_test(size=(80, 24)) as pilot:
        await at(pilot, "WelcomeScreen")
        await pilot.press("enter")
        settings = await at(pilot, "SettingsScreen")
        await pilot.press("slash", *"model.base", "enter")
        await until(pilot, lambda: settings.focused is settings.form and settings.form.key == "model.base")
        await pilot.press("enter")
        picker = await at(pilot, "BaseModelScreen")
        await until(pilot, lambda: set(picker._seen) >= set(KNOWN))
        assert picker._at == SDXL
        await on_model(pilot, picker, "sdxl-small")
        await pilot.press("enter")
        assert await at(pilot, "SettingsScreen") is settings
        await until(pilot, lambda: settings.draft.values.get("model.base") == "sdxl-small")
        assert settings.draft.values["train.resolution"] == 64
        assert "so has the resolution now. u takes both back." in " ".join(screen_text(pilot.app).split())
        await pilot.press("u")
        assert not {"model.base", "train.resolution"} & settings.draft.values.keys()
        await pilot.press("U")
        assert (settings.draft.values["model.base"], settings.draft.values["train.resolution"]) == ("sdxl-small", 64)
        await pilot.press("enter")
        await at(pilot, "BaseModelScreen")
        await pilot.press("escape")
        assert (await at(pilot, "SettingsScreen")).draft.values["model.base"] == "sdxl-small"
