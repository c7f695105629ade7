"""Keys that come in one packet act as keys that come one by one: through screens that open, lists that fill, lines."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from textual.events import Key
from textual.pilot import Pilot
from textual.widgets import Input

from loratui.app import LoratuiApp
from loratui.settings.draft import Draft
from tests.loratui.screens.conftest import at, opened, until

Wizard = Callable[..., LoratuiApp]
NAMED = {"\r": "enter", "\x1b": "escape", "/": "slash", " ": "space", "\t": "tab"}


async def packet(pilot: Pilot[Any], text: str) -> None:
    """Hand all keys to the program at once, as one read of a terminal does."""
    for one in text:
        pilot.app.post_message(Key(NAMED.get(one, one), one))
    await pilot.pause()
    await until(pilot, lambda: not pilot.app._held and not pilot.app._in_flight)  # type: ignore[attr-defined]


@pytest.mark.slow
async def test_a_search_in_one_packet_resets_nothing(wizard: Wizard, chosen: Draft) -> None:
    """`r` is Reset on a row: the search line must have the focus before it comes."""
    app = wizard(chosen.with_settings({"train.steps": 321, "train.rank": 24}).model_copy(update={"step": 4}))
    async with app.run_test() as pilot:
        await at(pilot, "WelcomeScreen")
        await pilot.press("enter")
        screen = await at(pilot, "SettingsScreen")
        screen.form.go_to("train.steps")
        await packet(pilot, "/rank")
        assert screen.query_one("#search", Input).value == "rank"
        assert app.draft.values["train.steps"] == 321
        await packet(pilot, "\r\r48\r")
        assert app.draft.values["train.rank"] == 48
        assert app.draft.values["train.steps"] == 321


@pytest.mark.slow
async def test_keys_behind_enter_reach_the_screen_that_it_opens(wizard: Wizard, chosen: Draft) -> None:
    app = wizard(chosen.model_copy(update={"step": 4}))
    async with app.run_test() as pilot:
        await at(pilot, "WelcomeScreen")
        await packet(pilot, "\r/rank\r\r48\r")  # the welcome's line, the step, the search, the row, the value
        screen = await at(pilot, "SettingsScreen")
        assert screen.query_one("#search", Input).value == "rank"
        assert app.draft.values["train.rank"] == 48


@pytest.mark.slow
async def test_a_window_gets_all_that_was_typed_for_it(wizard: Wizard, chosen: Draft) -> None:
    app = wizard(chosen.model_copy(update={"step": 1}))
    async with app.run_test() as pilot:
        screen = await opened(pilot)
        screen.query_one("#table").move_cursor(row=len(screen.rows_shown()) - 1)
        await pilot.pause()
        name = screen.picture.name
        await packet(pilot, "e\x05, a q b and f\r")
        assert app.draft.captions[name].endswith("a q b and f")


@pytest.mark.slow
async def test_no_key_waits_for_ever_behind_one_that_leads_nowhere(wizard: Wizard) -> None:
    app = wizard(None)
    async with app.run_test() as pilot:
        screen = await at(pilot, "WelcomeScreen")
        app._in_flight = True  # as after a key into a widget that was removed
        await pilot.press("f1")
        await until(pilot, lambda: app.screen is not screen)
