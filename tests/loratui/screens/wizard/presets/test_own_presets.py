"""Presets of one's own in the wizard: kept with a key, offered first, never in the way."""

from __future__ import annotations

import tomllib
from collections.abc import Callable

import pytest
from textual.widgets import Input, OptionList

from loratui.app import LoratuiApp
from loratui.settings.answers import Answers
from loratui.settings.checks import values_of_preset
from loratui.settings.drafts.draft import Draft
from loratui.settings.own_presets import delete_preset, preset_folder
from loratui.settings.preset_file import save_preset
from tests.loratui.screens.conftest import HOSTILE, SIZES, assert_snapshot, at, screen_text, step, until

pytestmark = pytest.mark.slow

Wizard = Callable[..., LoratuiApp]


async def test_p_keeps_the_settings_under_a_name(wizard: Wizard, chosen: Draft) -> None:
    draft = chosen.with_fields(step=4, preset="object").with_settings({"train.rank": 8})
    app = wizard(draft)
    async with app.run_test() as pilot:
        await step(pilot, "SettingsScreen")
        assert "p Preset" in screen_text(app)
        await pilot.press("p")
        for name, words in (("face", "ships with loratui"), ("a/b", "cannot name a preset")):
            await at(pilot, "Form")
            await pilot.press(*("slash" if letter == "/" else letter for letter in name), "enter", "enter")
            await at(pilot, "Form")
            assert words in screen_text(app)
            assert app.screen.query(Input).first().value == name
            await pilot.press("end", *["backspace"] * len(name))
        await pilot.press(*"mine", "enter", *"Dogs", "enter")
        await until(pilot, lambda: "✓ preset 'mine' saved" in screen_text(app))
        found = tomllib.loads((preset_folder() / "mine.toml").read_text())
        assert (found["title"], found["values"]["train.rank"]["value"]) == ("Dogs", 8)
        assert "dataset.path" not in found["values"] and "dog" not in str(found["values"])
        await pilot.press("p", *"mine", "enter", *"Cats", "enter")
        await at(pilot, "Confirm")
        assert "Another name" in screen_text(app)
        await pilot.press("left", "enter")
        await until(pilot, lambda: 'title = "Cats"' in (preset_folder() / "mine.toml").read_text())
        await at(pilot, "SettingsScreen")
        await pilot.press("p", "escape")
        await at(pilot, "SettingsScreen")


async def test_settings_that_break_a_rule_are_not_kept(wizard: Wizard, chosen: Draft) -> None:
    draft = chosen.with_fields(step=4, preset="object")
    app = wizard(draft.with_settings({"text_encoder_lora.enabled": True}))
    async with app.run_test() as pilot:
        await step(pilot, "SettingsScreen")
        await pilot.press("p")
        await until(pilot, lambda: "Put the settings right first" in screen_text(app))
        assert type(app.screen).__name__ == "SettingsScreen"


@pytest.mark.parametrize("size", SIZES)
async def test_they_stand_first_and_marked(wizard: Wizard, chosen: Draft, size: tuple[int, int]) -> None:
    save_preset("my-dogs", Answers("object", {"train.rank": 8}), "run 2026-11-23-1000-dog", "Dogs", "Small files.")
    path = preset_folder() / "my-dogs.toml"
    saved = tomllib.loads(path.read_text())["values"]["train.rank"]["source"]
    path.write_text(path.read_text().replace(saved, "yours, saved 2026-11-23 from run 2026-11-23-1000-dog"))
    save_preset("a-face-of-my-own", Answers("face"), "x")
    (preset_folder() / "broken.toml").write_text("{half")
    app = wizard(chosen)
    async with app.run_test(size=size) as pilot:
        screen = await step(pilot, "PresetScreen")
        presets = screen.query_one("#presets", OptionList)
        assert presets.get_option_at_index(presets.highlighted).id == "object"  # what fits and ships, as before
        presets.highlighted = presets.get_option_index("my-dogs")
        fits = size != (80, 24)  # all the values: the scrollbar goes once they are laid out
        await until(pilot, lambda: screen.query_one("#values").show_vertical_scrollbar != fits)
        await pilot.pause()
        assert_snapshot(app, "preset-own")
        await pilot.press("enter")
        await at(pilot, "SettingsScreen")
        assert app.draft.preset == "my-dogs"
        assert values_of_preset(app.screen.draft)["train.rank"] == 8


async def test_a_file_that_goes_while_it_is_chosen_stops_nothing(wizard: Wizard, chosen: Draft) -> None:
    save_preset("mine", Answers("object", {"train.rank": 8}), "x")
    app = wizard(chosen.with_fields(preset="mine"))
    async with app.run_test() as pilot:
        await step(pilot, "PresetScreen")
        delete_preset("mine")
        await pilot.press("up", "down")
        await pilot.press("f2")
        await at(pilot, "SettingsScreen")
        await pilot.press("f2")
        await until(pilot, lambda: "there is no preset 'mine'" in screen_text(app))
        await pilot.press("escape")
        screen = await at(pilot, "PresetScreen")
        assert screen.chosen.name == "object"
        await pilot.press("f2")
        await at(pilot, "SettingsScreen")
        assert app.draft.preset == "object"


async def test_hostile_words_of_a_foreign_file_are_inert(wizard: Wizard, chosen: Draft) -> None:
    import tomlkit

    values = {"sample.prompts": {"value": [HOSTILE], "source": HOSTILE}}
    preset_folder().mkdir(parents=True)
    document = {"kind": "object", "title": HOSTILE, "summary": HOSTILE, "data": HOSTILE, "values": values}
    (preset_folder() / "foreign.toml").write_text(tomlkit.dumps(document))
    (preset_folder() / f"{HOSTILE.replace('/', '')}.toml").write_text("")
    app = wizard(chosen)
    async with app.run_test(size=(120, 36)) as pilot:
        screen = await step(pilot, "PresetScreen")
        presets = screen.query_one("#presets", OptionList)
        presets.highlighted = presets.get_option_index("foreign")
        await pilot.pause()
        assert "[b]y" in screen_text(app)
        assert not {"\x1b", "\x07", "\x9b"} & set(screen_text(app))
        assert app.is_running
