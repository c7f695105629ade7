"""Light and dark: one key, remembered; what the terminal says of itself counts until then."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from textual.theme import Theme

from loratui.app import DARK, LIGHT, LoratuiApp
from tests.loratui.screens.conftest import at


@pytest.mark.slow
async def test_a_key_changes_the_shade_and_it_is_remembered(wizard: Callable[..., LoratuiApp]) -> None:
    app = wizard(None)
    async with app.run_test() as pilot:
        await at(pilot, "WelcomeScreen")
        assert app.theme == DARK.name
        await pilot.press("f6")
        assert app.theme == LIGHT.name
    again = wizard(None)
    async with again.run_test() as pilot:
        await at(pilot, "WelcomeScreen")
        assert again.theme == LIGHT.name
        await pilot.press("f1", "f6")  # over a dialog too
        assert again.theme == DARK.name


@pytest.mark.parametrize(
    ("said", "theme"), [("0;15", LIGHT.name), ("15;0", DARK.name), ("", DARK.name), ("x", DARK.name)]
)
async def test_a_light_terminal_starts_light(
    wizard: Callable[..., LoratuiApp], monkeypatch: pytest.MonkeyPatch, said: str, theme: str
) -> None:
    monkeypatch.setenv("COLORFGBG", said)
    app = wizard(None)
    async with app.run_test():
        assert app.theme == theme


def luminance(colour: str) -> float:
    """Relative luminance of #rrggbb, as WCAG 2 defines it."""
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    red, green, blue = (one / 12.92 if one <= 0.04045 else ((one + 0.055) / 1.055) ** 2.4 for one in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("theme", [DARK, LIGHT], ids=["dark", "light"])
@pytest.mark.parametrize("name", ["foreground", "accent", "success", "warning", "error", "muted"])
def test_words_stand_out_from_what_is_behind_them(theme: Theme, name: str) -> None:
    """WCAG AA: a contrast of at least 4.5 for words of ordinary size."""
    colour = theme.variables.get(name) or getattr(theme, name)
    for ground in (theme.background, theme.surface):
        bright, dim = sorted((luminance(colour), luminance(str(ground))), reverse=True)
        assert (bright + 0.05) / (dim + 0.05) >= 4.5, (colour, ground)
