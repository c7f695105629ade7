"""Settings say of each value where it comes from, as the run's own configuration does."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from loratui.app import LoratuiApp
from loratui.settings.checks import answers_of
from loratui.settings.drafts.draft import Draft
from loratui.settings.resolve import resolve
from tests.loratui.screens.conftest import at
from trainer.contract.settings.config import SETTINGS


@pytest.mark.parametrize("name", ["object", "face", "face/75x", "style"])
async def test_settings_name_the_source_of_a_value_that_the_run_has(
    wizard: Callable[..., LoratuiApp], chosen: Draft, name: str
) -> None:
    app = wizard(chosen.with_fields(step=4, preset=name))
    async with app.run_test(size=(120, 36)) as pilot:
        await at(pilot, "WelcomeScreen")
        await pilot.press("enter")
        screen = await at(pilot, "SettingsScreen")
        origins = resolve(answers_of(screen.draft), images=screen.draft.images).origins
        for one in SETTINGS:
            origin = origins[one.key]
            if origin.layer in ("default", "preset"):
                said = screen._explained(one).plain
                assert f"{'~ inferred' if origin.inferred else 'why'}: {origin.source}" in said, one.key
