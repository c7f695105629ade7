"""Subject, preset and settings: checked at once, explained, and never taken back by a later step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from textual.events import Key
from textual.keys import _character_to_key
from textual.pilot import Pilot
from textual.widgets import Collapsible, Input, OptionList

from loratui.app import LoratuiApp
from loratui.screens.wizard.settings import SHOWN
from loratui.settings.checks import answers_of, effective
from loratui.settings.draft import Draft
from loratui.settings.resolve import resolve
from loratui.widgets.settingrow import SettingRow
from tests.loratui.screens.conftest import HOSTILE, at, screen_text, until
from trainer.contract.settings.config import SETTINGS

pytestmark = pytest.mark.slow

Wizard = Callable[..., LoratuiApp]


async def step(pilot: Pilot[Any], name: str) -> Any:
    """Continue the draft at the step called `name`."""
    await at(pilot, "WelcomeScreen")
    await pilot.press("enter")
    return await at(pilot, name)


async def test_a_trigger_with_a_space_is_an_error_at_once(wizard: Wizard, chosen: Draft) -> None:
    app = wizard(chosen.model_copy(update={"step": 2}))
    async with app.run_test() as pilot:
        screen = await step(pilot, "ConceptScreen")
        screen.query_one("#trigger", Input).value = "my dog"
        await until(pilot, lambda: "write 'my_dog'" in screen_text(app))
        await pilot.press("f2")
        assert type(app.screen).__name__ == "ConceptScreen"
        screen.query_one("#trigger", Input).value = "my_dog"
        await pilot.pause()
        await pilot.press("f2")
        await at(pilot, "PresetScreen")
        assert effective(app.draft)["dataset.instance_prompt"] == "a photo of a my_dog dog"


async def test_an_edited_prompt_stays_and_an_emptied_one_follows_again(wizard: Wizard, chosen: Draft) -> None:
    app = wizard(chosen.model_copy(update={"step": 2}))
    async with app.run_test() as pilot:
        screen = await step(pilot, "ConceptScreen")
        prompt, trigger = screen.query_one("#prompt", Input), screen.query_one("#trigger", Input)
        prompt.value = "TOK, sitting"
        await pilot.pause()
        trigger.value = "SKS"
        await pilot.pause()
        assert prompt.value == "TOK, sitting"
        assert "does not hold the trigger" in screen_text(app)
        prompt.value = ""
        await pilot.pause()
        trigger.value = "ZWX"
        await pilot.pause()
        assert effective(app.draft)["dataset.instance_prompt"] == "a photo of a ZWX dog"


async def test_what_subject_and_settings_show_is_what_the_run_gets(wizard: Wizard, chosen: Draft) -> None:
    held = chosen.with_settings({"dataset.hold_out": 2})
    app = wizard(held.model_copy(update={"step": 2, "preset": "face"}))
    async with app.run_test() as pilot:
        screen = await step(pilot, "ConceptScreen")
        for kind, prompt in (("style", "in the style of TOK"), ("face", "a photo of a TOK dog")):
            kinds = screen.query_one("#kind", OptionList)
            kinds.highlighted = kinds.get_option_index(kind)
            await until(pilot, lambda prompt=prompt: screen.query_one("#prompt", Input).value == prompt)
            assert resolve(answers_of(app.draft)).config.dataset.instance_prompt == prompt
        await pilot.press("f2")
        await at(pilot, "PresetScreen")
        await pilot.press("enter")
        settings = await at(pilot, "SettingsScreen")
        run = resolve(answers_of(app.draft), images=app.draft.images).config
        rows = {row.setting.key: row for row in settings.query(SettingRow)}
        assert settings._layers()["train.steps"] == run.train.steps == 3 * 120
        assert not rows["dataset.instance_prompt"]._differs


async def test_hostile_words_are_inert(wizard: Wizard, chosen: Draft) -> None:
    app = wizard(chosen.with_settings({"dataset.instance_prompt": HOSTILE, "dataset.class_word": "[b]x"}))
    async with app.run_test() as pilot:
        await step(pilot, "PresetScreen")
        for name in ("SettingsScreen",):
            await pilot.press("f2")
            await at(pilot, name)
            assert "\x1b" not in screen_text(app)


async def test_a_preset_shows_sources_and_steps_for_these_pictures(wizard: Wizard, chosen: Draft) -> None:
    app = wizard(chosen)
    async with app.run_test(size=(120, 36)) as pilot:
        screen = await step(pilot, "PresetScreen")
        presets = screen.query_one("#presets", OptionList)
        presets.highlighted = presets.get_option_index("face")
        await pilot.pause()
        text = screen_text(app)
        assert "120 x 5 = 600" in text
        assert "good results are achieved with a 120x multiplier" in text
        assert "~ inferred" in text
        presets.highlighted = presets.get_option_index("face/75x")
        await pilot.pause()
        assert "75 x 5 = 375" in screen_text(app)
        await pilot.press("enter")
        await at(pilot, "SettingsScreen")
        assert app.draft.preset == "face/75x"


async def settings(pilot: Pilot[Any]) -> Any:
    return await step(pilot, "SettingsScreen")


@pytest.fixture
def advanced(wizard: Wizard, chosen: Draft) -> LoratuiApp:
    return wizard(chosen.model_copy(update={"step": 4, "preset": "object"}))


def row(screen: Any, key: str) -> SettingRow:
    found: SettingRow = screen.query_one("#set-" + key.replace(".", "-"), SettingRow)
    return found


async def test_every_setting_is_there(advanced: LoratuiApp) -> None:
    async with advanced.run_test() as pilot:
        screen = await settings(pilot)
        assert {one.setting.key for one in screen.query(SettingRow)} == {one.key for one in SHOWN}
        assert len(SHOWN) > len(SETTINGS) - 8


async def test_a_value_out_of_bounds_is_said_at_once_and_not_kept(advanced: LoratuiApp) -> None:
    async with advanced.run_test() as pilot:
        screen = await settings(pilot)
        row(screen, "train.rank").focus()
        await pilot.press("enter", *"9999")
        assert "out of bounds" in screen_text(advanced)
        await pilot.press("enter")
        assert "train.rank" not in advanced.draft.values
        await pilot.press("escape", "d")
        assert isinstance(screen.focused, SettingRow)
        await pilot.press("enter", *"abc")
        assert "a whole number is wanted" in screen_text(advanced)


async def test_a_change_is_marked_and_r_resets_it(advanced: LoratuiApp) -> None:
    async with advanced.run_test() as pilot:
        screen = await settings(pilot)
        row(screen, "train.rank").focus()
        await pilot.press("enter", *"16", "enter")
        await until(pilot, lambda: "• rank" in screen_text(advanced))
        assert advanced.draft.values["train.rank"] == 16
        assert "preset   32" in screen_text(advanced)
        await pilot.press("r")
        await until(pilot, lambda: "• rank" not in screen_text(advanced))
        assert "train.rank" not in advanced.draft.values


async def test_choices_and_switches_change_at_enter(advanced: LoratuiApp) -> None:
    async with advanced.run_test() as pilot:
        screen = await settings(pilot)
        row(screen, "train.optimizer").focus()
        await pilot.press("enter")
        assert advanced.draft.values["train.optimizer"] == "adamw"
        row(screen, "train.gradient_checkpointing").focus()
        await pilot.press("space")
        assert advanced.draft.values["train.gradient_checkpointing"] is False


async def test_search_finds_by_word_and_opens_sections(advanced: LoratuiApp) -> None:
    async with advanced.run_test() as pilot:
        screen = await settings(pilot)
        await pilot.press("slash", *"growth", "enter")
        await until(pilot, lambda: isinstance(screen.focused, SettingRow))
        assert screen.focused.setting.key == "prodigy.growth_rate"
        assert not screen.query_one("#section-prodigy", Collapsible).collapsed
        await pilot.press("enter", *"1.02", "enter")
        assert advanced.draft.values["prodigy.growth_rate"] == 1.02
        await pilot.press("escape")
        assert type(advanced.screen).__name__ == "SettingsScreen"  # the first Escape empties the search


async def test_each_trigger_has_starting_words_of_its_own(wizard: Wizard, chosen: Draft) -> None:
    two = {"dataset.trigger": "TOK, ZED", "dataset.instance_prompt": "TOK and ZED"}
    app = wizard(chosen.model_copy(update={"step": 4, "preset": "object"}).with_settings(two))
    async with app.run_test() as pilot:
        screen = await settings(pilot)
        screen.query_one("#section-pivotal", Collapsible).collapsed = False
        await pilot.pause()
        row(screen, "pivotal.init_words").focus()
        await pilot.press("enter", *"TOC = a dog", "enter")
        await until(pilot, lambda: "names no trigger" in screen_text(app))
        assert "pivotal.init_words" not in app.draft.values
        await pilot.press(*["backspace"] * 11, *"ZED = a dog", "enter")
        await until(pilot, lambda: app.draft.values.get("pivotal.init_words") == "ZED = a dog")


async def test_a_list_is_written_with_semicolons(advanced: LoratuiApp) -> None:
    async with advanced.run_test() as pilot:
        screen = await settings(pilot)
        screen.query_one("#section-sample", Collapsible).collapsed = False
        await pilot.pause()
        row(screen, "sample.prompts").focus()
        await pilot.press("enter", *"a TOK, red; a TOK", "enter")
        assert advanced.draft.values["sample.prompts"] == ("a TOK, red", "a TOK")


def at_once(app: LoratuiApp, *keys: str) -> None:
    """Keys that come in one piece, as from a slow line; nothing waits between them."""
    for key in keys:
        app._driver.send_message(Key(_character_to_key(key) if len(key) == 1 else key, key if len(key) == 1 else None))  # type: ignore[union-attr]


async def test_of_keys_that_come_at_once_each_is_taken_where_the_one_before_has_led(advanced: LoratuiApp) -> None:
    """The letters that are keys of the form too (m, p, r) are those that would do something else."""
    async with advanced.run_test() as pilot:
        screen = await settings(pilot)
        screen.query_one("#section-sample", Collapsible).collapsed = False
        await pilot.pause()
        row(screen, "sample.prompts").focus()
        await pilot.pause()
        at_once(advanced, "enter", *"my TOK, prim; TOK", "enter", "down", "up", "enter", "end", *"s", "enter", "slash")
        at_once(advanced, *"rank", "enter")
        await until(pilot, lambda: row(screen, "train.rank").has_focus)
        assert advanced.draft.values["sample.prompts"] == ("my TOK, prim", "TOKs")
        assert screen.query_one("#search", Input).value == "rank" and not screen._only_mine


async def test_m_shows_only_what_differs(advanced: LoratuiApp) -> None:
    async with advanced.run_test() as pilot:
        screen = await settings(pilot)
        row(screen, "train.rank").focus()
        await pilot.press("enter", *"16", "enter", "m")
        await pilot.pause()
        shown = {one.setting.key for one in screen.query(SettingRow) if one.display}
        assert "train.rank" in shown
        assert "train.batch" not in shown
