"""The way through the wizard: Enter and F2 lead on, Escape leads back, nothing is lost."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from textual.widgets import Input, OptionList

from loratui.app import LoratuiApp
from loratui.settings.checks import effective
from loratui.settings.drafts.draft import Draft
from tests.loratui.screens.conftest import SIZES, assert_snapshot, at, kind_chosen, screen_text, until

pytestmark = pytest.mark.slow

Wizard = Callable[..., LoratuiApp]


@pytest.mark.parametrize("size", SIZES)
async def test_a_first_time_person_gets_through_by_enter_and_f2(
    wizard: Wizard, photos: Path, size: tuple[int, int]
) -> None:
    app = wizard()
    async with app.run_test(size=size) as pilot:
        await at(pilot, "WelcomeScreen")
        assert_snapshot(app, "welcome")
        await pilot.press("enter")
        screen = await at(pilot, "PicturesScreen")
        await pilot.press(*"photos", "enter")
        await kind_chosen(pilot)
        await until(pilot, lambda: screen._report is not None)
        await pilot.press("down", "down")
        await until(pilot, lambda: screen.query_one("#thumb").shown)
        assert_snapshot(app, "dataset")
        await pilot.press("f2")
        await at(pilot, "ConceptScreen")
        await pilot.press("enter", *"dog")
        assert_snapshot(app, "concept")
        await pilot.press("f2")
        await at(pilot, "PresetScreen")
        assert_snapshot(app, "preset")
        await pilot.press("enter")
        await at(pilot, "SettingsScreen")
        assert_snapshot(app, "advanced")
        await pilot.press("f2")
        screen = await at(pilot, "ReviewScreen")
        await until(pilot, lambda: screen._plan is not None and screen._plan.verdict is not None)
        await pilot.pause()
        assert_snapshot(app, "review")
        assert app.draft.preset == "object"
        assert effective(app.draft)["dataset.instance_prompt"] == "a photo of a TOK dog"
        assert app.draft.values["name"] == "dog"


async def test_every_step_goes_back_without_loss(wizard: Wizard, chosen: Draft) -> None:
    app = wizard(chosen.with_fields(step=5, preset="face").with_settings({"train.rank": 16}))
    async with app.run_test() as pilot:
        await at(pilot, "WelcomeScreen")
        await pilot.press("enter")
        for name in ("ReviewScreen", "SettingsScreen", "PresetScreen", "ConceptScreen", "PicturesScreen"):
            await at(pilot, name)
            await pilot.press("escape")
        await at(pilot, "WelcomeScreen")
        await pilot.press("enter")
        screen = await at(pilot, "PicturesScreen")
        await until(pilot, lambda: screen._report is not None)
        for name in ("ConceptScreen", "PresetScreen", "SettingsScreen", "ReviewScreen"):
            await pilot.press("f2")
            await at(pilot, name)
        assert app.draft.preset == "face"
        assert {**chosen.values, "train.rank": 16}.items() <= app.draft.values.items()


async def test_a_kill_loses_nothing_not_even_inside_a_step(wizard: Wizard, chosen: Draft) -> None:
    app = wizard(chosen)
    async with app.run_test() as pilot:
        await at(pilot, "WelcomeScreen")
        await pilot.press("enter")
        await at(pilot, "PresetScreen")
        await pilot.press("f2")
        screen = await at(pilot, "SettingsScreen")
        screen.form.go_to("train.rank")
        await pilot.press("enter", *"8", "enter")  # the old value is selected: typing replaces it
        await pilot.pause()
        on_disk = json.loads(app.store.path.read_text())  # no step was left since
        assert on_disk["values"]["train.rank"] == 8
        assert on_disk["step"] == 4
    again = LoratuiApp(store=app.store)
    async with again.run_test() as pilot:
        await at(pilot, "WelcomeScreen")
        assert "at Settings" in screen_text(again)
        await pilot.press("enter")
        await at(pilot, "SettingsScreen")
        assert again.draft.values["train.rank"] == 8


async def test_a_damaged_draft_is_said_and_kept(wizard: Wizard, own_place: Path) -> None:
    (own_place / "state").mkdir()
    (own_place / "state" / "draft.json").write_text("{half")
    app = wizard()
    async with app.run_test(notifications=True) as pilot:
        await at(pilot, "WelcomeScreen")
        await until(pilot, lambda: "was damaged" in screen_text(app))
        assert list((own_place / "state").glob("draft.damaged-*.json"))


async def test_a_new_start_keeps_the_draft(wizard: Wizard, chosen: Draft) -> None:
    app = wizard(chosen)
    async with app.run_test() as pilot:
        await at(pilot, "WelcomeScreen")
        await pilot.press("down", "enter")
        screen = await at(pilot, "PicturesScreen")
        assert screen.query_one("#folder", Input).value == ""
        assert [one.draft.values for one in app.store.all().kept] == [chosen.values]


@pytest.mark.parametrize("keys", [("escape",), ("ctrl+q",), ("f1", "ctrl+q"), ("enter", "ctrl+q")])
async def test_leaving_keeps_the_draft_and_says_so(wizard: Wizard, chosen: Draft, keys: tuple[str, ...]) -> None:
    app = wizard(chosen)
    async with app.run_test() as pilot:
        await at(pilot, "WelcomeScreen")
        for key in keys:
            await pilot.press(key)
            await pilot.pause()
        await until(pilot, lambda: not app.is_running or app.return_value is not None)
    assert app.return_value == "The draft is kept; 'loratui' takes it up again."


@pytest.mark.parametrize("name", ["WelcomeScreen", "PicturesScreen", "ConceptScreen", "PresetScreen", "SettingsScreen"])
async def test_f1_helps_everywhere(wizard: Wizard, photos: Path, name: str) -> None:
    steps = ["WelcomeScreen", "PicturesScreen", "ConceptScreen", "PresetScreen", "SettingsScreen"]
    app = wizard(Draft(step=steps.index(name), values={"dataset.path": "photos"}))
    async with app.run_test() as pilot:
        await at(pilot, "WelcomeScreen")
        if name != "WelcomeScreen":
            await pilot.press("enter")
            await at(pilot, name)
        await pilot.press("f1")
        await at(pilot, "Help")
        assert "Help: " in screen_text(app)
        await pilot.press("escape")
        await at(pilot, name)


@pytest.mark.parametrize("size", [(1, 1), (20, 5), (200, 60)])
async def test_any_size_is_survived(wizard: Wizard, chosen: Draft, size: tuple[int, int]) -> None:
    app = wizard(chosen)
    async with app.run_test(size=size) as pilot:
        await at(pilot, "WelcomeScreen")
        for name in ("PresetScreen", "SettingsScreen", "ReviewScreen"):
            await pilot.press("f2")
            await at(pilot, name)
            await pilot.resize_terminal(80, 24)
            await pilot.resize_terminal(*size)


async def test_the_first_list_offers_runs_that_are_there(wizard: Wizard, own_place: Path) -> None:
    folder = own_place / "runs" / "2026-11-23-1000-dog"
    folder.mkdir(parents=True)
    (folder / "config.toml").write_text('name = "dog"\n')
    (folder / "events.jsonl").write_text(
        '{"type":"run","t":1,"name":"dog","steps":5}\n{"type":"end","status":"completed"}\n'
    )
    app = wizard()
    async with app.run_test() as pilot:
        screen = await at(pilot, "WelcomeScreen")
        assert "2026-11-23-1000-dog · completed" in screen_text(app)
        screen.query_one("#ways", OptionList).highlighted = 2
        await pilot.press("enter")
        await at(pilot, "MonitorScreen")


def test_the_first_screen_loads_nothing_heavy() -> None:
    code = (
        "import asyncio, sys\n"
        "from loratui.app import LoratuiApp\n"
        "async def main():\n"
        "    async with LoratuiApp().run_test() as pilot:\n"
        "        await pilot.pause()\n"
        "        assert type(pilot.app.screen).__name__ == 'WelcomeScreen'\n"
        "asyncio.run(main())\n"
        "heavy = {'torch', 'numpy', 'PIL', 'diffusers', 'transformers', 'peft', 'accelerate', 'datasets', 'cv2'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[4])}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, env=environment)
    assert done.stdout.strip() == "[]", done.stdout + done.stderr
