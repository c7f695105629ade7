"""Subject, preset and settings: checked at once, explained, and never taken back by a later step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from textual.events import Key
from textual.keys import _character_to_key
from textual.pilot import Pilot
from textual.widget import Widget
from textual.widgets import Input, OptionList

from loratui.app import LoratuiApp
from loratui.screens.wizard.preset import describe
from loratui.screens.wizard.settings import SECTIONS, SHOWN
from loratui.settings.checks import answers_of, effective, values_of_preset
from loratui.settings.drafts.draft import Draft
from loratui.settings.resolve import resolve
from loratui.settings.search import found
from loratui.settings.shipped_presets import Preset, load_presets
from tests.loratui.screens.conftest import HOSTILE, at, screen_text, step, until
from trainer.contract.settings.config import SETTINGS
from trainer.contract.settings.fields import POST_TITLE

pytestmark = pytest.mark.slow

Wizard = Callable[..., LoratuiApp]


async def test_a_trigger_with_a_space_is_an_error_at_once(wizard: Wizard, chosen: Draft) -> None:
    app = wizard(chosen.with_fields(step=2))
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
    app = wizard(chosen.with_fields(step=2))
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
    app = wizard(held.with_fields(step=2, preset="face"))
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
        assert values_of_preset(settings.draft)["train.steps"] == run.train.steps == 3 * 120
        open_section(settings, "dataset")
        assert not settings.form.rows["dataset.instance_prompt"].differs


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
    return wizard(chosen.with_fields(step=4, preset="object"))


def open_section(screen: Any, section: str) -> None:
    """As Enter on its heading does."""
    screen._open.add(section)
    screen._show_values()


def on(screen: Any, key: str) -> None:
    """Put the cursor on a setting."""
    open_section(screen, key.partition(".")[0])
    assert screen.form.go_to(key)


@pytest.mark.slow
async def test_down_goes_through_every_section_to_every_setting(advanced: LoratuiApp) -> None:
    async with advanced.run_test() as pilot:
        screen = await settings(pilot)
        screen.form.go_to("section-train")
        seen = []
        for _ in range(len(SHOWN) + len(SECTIONS)):
            seen.append(screen.form.key)
            if screen.form.key.startswith("section-") and screen.form.key != "section-train":
                await pilot.press("enter")
            await pilot.press("down")
        assert [key for key in seen if not key.startswith("section-")] == [
            one.key for section in SECTIONS for one in SHOWN if one.section == section
        ]
        assert screen.form.key == "section-train", "and round again"
        assert len(SHOWN) > len(SETTINGS) - 8


async def test_a_down_and_a_letter_paint_what_changes_and_no_more(
    advanced: LoratuiApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    painted: list[str] = []

    def noted(kind: type[Widget]) -> None:
        paint = kind.render_line

        def line(self: Any, y: int) -> Any:
            painted.append(self.id or type(self).__name__)
            return paint(self, y)

        monkeypatch.setattr(kind, "render_line", line)

    async with advanced.run_test() as pilot:
        screen = await settings(pilot)
        assert len(list(screen.query("*"))) < 40, "one widget for all settings"
        for kind in (Widget, OptionList, Input):
            noted(kind)
        for key, wanted in (("down", {"form", "why"}), ("slash", set()), ("r", {"form", "search"})):
            painted.clear()
            await pilot.press(key)
            await pilot.pause()
            assert wanted <= set(painted), "the count sees what changes"
            if key != "slash":  # the line of keys is another one there
                assert set(painted) <= {*wanted, "why", "ScrollBar"}, set(painted)
            assert painted.count("form") <= screen.form.size.height, "no row that is not seen"


async def test_a_value_out_of_bounds_is_said_at_once_and_not_kept(advanced: LoratuiApp) -> None:
    async with advanced.run_test() as pilot:
        screen = await settings(pilot)
        on(screen, "train.rank")
        await pilot.press("enter", *"9999")
        assert "out of bounds" in screen_text(advanced)
        await pilot.press("enter")
        assert "train.rank" not in advanced.draft.values
        await pilot.press("escape", "d")
        assert screen.focused is screen.form
        await pilot.press("enter", *"abc")
        assert "a whole number is wanted" in screen_text(advanced)


async def test_a_change_is_marked_and_r_resets_it(advanced: LoratuiApp) -> None:
    async with advanced.run_test() as pilot:
        screen = await settings(pilot)
        on(screen, "train.rank")
        await pilot.press("enter", *"8", "enter")
        await until(pilot, lambda: "• rank" in screen_text(advanced))
        assert advanced.draft.values["train.rank"] == 8
        assert "preset   16" in screen_text(advanced)
        await pilot.press("r")
        await until(pilot, lambda: "• rank" not in screen_text(advanced))
        assert "train.rank" not in advanced.draft.values


async def test_a_setting_that_was_taken_back_is_said_and_changed_again(advanced: LoratuiApp) -> None:
    async with advanced.run_test() as pilot:
        screen = await settings(pilot)
        on(screen, "train.rank")
        await pilot.press("enter", *"48", "enter", "u")
        await until(pilot, lambda: "again. U makes the change again." in screen_text(advanced))
        assert "train.rank" not in advanced.draft.values and screen.can("redo")
        await pilot.press("U")
        await until(pilot, lambda: "48 again. u takes it back." in screen_text(advanced) and not screen.can("redo"))


async def test_choices_and_switches_change_at_enter(advanced: LoratuiApp) -> None:
    async with advanced.run_test() as pilot:
        screen = await settings(pilot)
        on(screen, "train.optimizer")
        await pilot.press("enter")
        assert advanced.draft.values["train.optimizer"] == "adamw"
        on(screen, "sample.tiles")
        await pilot.press("space")
        assert advanced.draft.values["sample.tiles"] is True


async def test_search_finds_by_word_in_closed_sections(advanced: LoratuiApp) -> None:
    async with advanced.run_test() as pilot:
        screen = await settings(pilot)
        await pilot.press("slash", *"growth", "enter")
        assert screen.focused is screen.form and screen.form.key == "prodigy.growth_rate"
        await pilot.press("enter", *"1.02", "enter")
        assert advanced.draft.values["prodigy.growth_rate"] == 1.02
        await pilot.press("escape")
        assert type(advanced.screen).__name__ == "SettingsScreen"  # the first Escape empties the search


async def test_each_trigger_has_starting_words_of_its_own(wizard: Wizard, chosen: Draft) -> None:
    two = {"dataset.trigger": "TOK, ZED", "dataset.instance_prompt": "TOK and ZED"}
    app = wizard(chosen.with_fields(step=4, preset="object").with_settings(two))
    async with app.run_test() as pilot:
        screen = await settings(pilot)
        on(screen, "pivotal.init_words")
        await pilot.press("enter", *"TOC = a dog", "enter")
        await until(pilot, lambda: "names no trigger" in screen_text(app))
        assert "pivotal.init_words" not in app.draft.values
        await pilot.press(*["backspace"] * 11, *"ZED = a dog", "enter")
        await until(pilot, lambda: app.draft.values.get("pivotal.init_words") == "ZED = a dog")


async def test_a_list_is_written_with_semicolons(advanced: LoratuiApp) -> None:
    async with advanced.run_test() as pilot:
        screen = await settings(pilot)
        on(screen, "sample.prompts")
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
        on(screen, "sample.prompts")
        await pilot.pause()
        at_once(advanced, "enter", *"my TOK, prim; TOK", "enter", "down", "up", "enter", "end", *"s", "enter", "slash")
        at_once(advanced, *"rank", "enter")
        await until(pilot, lambda: screen.focused is screen.form and screen.form.key == "train.rank")
        assert advanced.draft.values["sample.prompts"] == ("my TOK, prim", "TOKs")
        assert screen.query_one("#search", Input).value == "rank" and not screen._only_mine


async def test_m_shows_only_what_differs(advanced: LoratuiApp) -> None:
    async with advanced.run_test() as pilot:
        screen = await settings(pilot)
        on(screen, "train.rank")
        await pilot.press("enter", *"8", "enter", "m")
        await pilot.pause()
        assert "train.rank" in screen.form.rows
        assert "train.batch" not in screen.form.rows
        await pilot.press("r")
        await until(pilot, lambda: "train.rank" not in screen.form.rows)
        assert set(screen.form.rows) == {"section-dataset", "dataset.class_word"}


@pytest.mark.parametrize(
    ("typed", "key"),
    [
        ("optimizer", "train.optimizer"),
        ("network_dim", "train.rank"),
        ("text_encoder_lr", "train.embedding_learning_rate"),
        ("epoch", "train.steps"),
        ("unet_lr", "train.learning_rate"),
        ("lora_rank", "train.rank"),
        ("snr", "train.min_snr_gamma"),
        ("likeness", "train.steps"),
        ("xl-base", "model.base"),
        ("learning rate", "train.learning_rate"),
    ],
)
def test_the_nearest_name_comes_first(typed: str, key: str) -> None:
    assert found(typed, SHOWN, effective(Draft()))[0].key == key


async def test_nothing_found_is_said_and_enter_stays(advanced: LoratuiApp) -> None:
    async with advanced.run_test() as pilot:
        screen = await settings(pilot)
        await pilot.press("slash", *"[b]qq", "enter")
        assert "Nothing here is called '[b]qq'." in screen_text(advanced)
        assert screen.focused is screen.query_one("#search")
        await pilot.press("escape", "down")
        assert screen.focused is screen.form and len(screen.form.rows) > 20


@pytest.mark.parametrize("size", [(80, 24), (120, 36)])
async def test_a_nought_says_what_it_comes_to_and_labels_are_whole(advanced: LoratuiApp, size: tuple[int, int]) -> None:
    async with advanced.run_test(size=size) as pilot:
        screen = await settings(pilot)
        on(screen, "train.alpha")
        await until(pilot, lambda: "0 = 16, the rank" in screen_text(advanced))
        assert "text encoder learning rate" in screen_text(advanced)
        on(screen, "train.learning_rate")
        await pilot.press("enter", *"0", "enter")
        assert "0 = 1, Prodigy's" in screen_text(advanced)
        on(screen, "train.optimizer")
        await pilot.press("enter")
        on(screen, "train.learning_rate")
        await until(pilot, lambda: "0 = 0.0001, AdamW's" in screen_text(advanced))


@pytest.mark.parametrize("one", load_presets(), ids=lambda one: one.name)
def test_the_post_is_named_at_the_head_of_what_speaks_of_it(one: Preset) -> None:
    head, _, values = describe(one, one.summary, Draft(images=5)).plain.partition("\n\n")
    assert "the post" not in f"{one.summary}{values}" or POST_TITLE in head
