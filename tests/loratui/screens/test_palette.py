"""Ctrl+P lists what can be done here by name, with its key, and does it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from loratui.app import LoratuiApp
from loratui.screens.shared.palette import commands_of
from loratui.settings.draft import Draft
from tests.loratui.screens.conftest import at, screen_text, until

Wizard = Callable[..., LoratuiApp]


@pytest.mark.slow
async def test_what_is_typed_is_found_by_name_and_done(wizard: Wizard, chosen: Draft) -> None:
    app = wizard(chosen.model_copy(update={"step": 4, "preset": "object"}))
    async with app.run_test() as pilot:
        await at(pilot, "WelcomeScreen")
        await pilot.press("enter")
        screen = await at(pilot, "SettingsScreen")
        listed = {one.title: one.help for one in commands_of(screen)}
        assert {"Change", "Reset", "Search", "Changed", "Preset", "Next", "Back", "Help"} == listed.keys()
        assert listed["Search"] == "/: To the search line." and not any(one.endswith(": ") for one in listed.values())
        await pilot.press("ctrl+p")
        await at(pilot, "CommandPalette")
        await until(pilot, lambda: "Light or dark" in screen_text(app) and "Leave" in screen_text(app))
        await pilot.press(*"search")
        await until(pilot, lambda: "To the search line." in screen_text(app))
        await pilot.press("enter")
        await until(pilot, lambda: screen.focused is screen.query_one("#search"))
        assert app.screen is screen
