"""What is said beside a setting: it moves nothing else on the screen, and all of it is reached."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from textual.events import MouseScrollDown
from textual.pilot import Pilot
from textual.widget import Widget

from loratui.app import LoratuiApp
from loratui.settings.drafts.draft import Draft
from tests.loratui.screens.conftest import at

pytestmark = pytest.mark.slow


@pytest.fixture
def advanced(wizard: Callable[..., LoratuiApp], chosen: Draft) -> LoratuiApp:
    """A draft whose next step is the settings."""
    return wizard(chosen.with_fields(step=4, preset="object"))


async def settings(pilot: Pilot[Any]) -> Any:
    """Go on with the draft at the settings."""
    await at(pilot, "WelcomeScreen")
    await pilot.press("enter")
    return await at(pilot, "SettingsScreen")


def wheel(over: Widget) -> MouseScrollDown:
    """One notch down."""
    return MouseScrollDown(over, 1, 1, 0, 0, 0, False, False, False)


async def test_a_down_lays_out_nothing_anew_whatever_is_said_beside_it(
    advanced: LoratuiApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    laid_out: list[str] = []
    async with advanced.run_test(size=(80, 24)) as pilot:
        screen = await settings(pilot)
        screen._open.add("sample")
        screen._show_values()
        await pilot.pause()
        lay_out = type(screen)._refresh_layout

        def noted(self: Any, *rest: Any, **named: Any) -> Any:
            laid_out.append(screen.form.key)
            return lay_out(self, *rest, **named)

        monkeypatch.setattr(type(screen), "_refresh_layout", noted)
        reason = screen.query_one("#why")
        heights = set()
        for _ in range(20):
            await pilot.press("down")
            await pilot.pause()
            heights.add(reason._words.get_height({}, reason.size.width) > reason.size.height)
        assert heights == {True, False}, "words that fit and words that do not"
        assert not laid_out
        screen._open.clear()
        screen._show_values()
        await pilot.pause()
        assert laid_out, "the count sees a layout"


async def test_what_is_longer_than_its_panel_is_reached_by_the_wheel(advanced: LoratuiApp) -> None:
    async with advanced.run_test(size=(80, 24)) as pilot:
        screen = await settings(pilot)
        screen.form.go_to("train.learning_rate")
        await pilot.pause()
        reason = screen.query_one("#why")
        lines = reason._words.wrap(reason.size.width - 2)
        assert len(lines) > reason.size.height
        assert lines[0].plain in str(reason.render())
        for _ in lines:
            reason.post_message(wheel(reason))
        await pilot.pause()
        assert str(reason.render()).rstrip().endswith(lines[-1].plain.rstrip())
        assert reason.render().plain.count("\n") == reason.size.height - 1
        await pilot.press("down", "up")
        assert lines[0].plain in str(reason.render()), "from the beginning again"
