"""Keys that come in one packet act as keys that come one by one: through screens that open, lists that fill, lines."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from textual.events import Key
from textual.pilot import Pilot
from textual.widgets import Input

from loratui.app import LoratuiApp
from loratui.settings.drafts.draft import Draft
from tests.loratui.screens.conftest import at, opened, screen_text, until

Wizard = Callable[..., LoratuiApp]
NAMED = {"\r": "enter", "\x1b": "escape", "/": "slash", " ": "space", "\t": "tab", "\ue002": "f2"}


async def packet(pilot: Pilot[Any], text: str) -> None:
    """Hand all keys to the program at once, as one read of a terminal does."""
    for one in text:
        pilot.app.post_message(Key(NAMED.get(one, one), one))
    await pilot.pause()
    await until(pilot, lambda: not pilot.app._held and not pilot.app._in_flight)  # type: ignore[attr-defined]


@pytest.mark.slow
async def test_a_search_in_one_packet_resets_nothing(wizard: Wizard, chosen: Draft) -> None:
    """`r` is Reset on a row: the search line must have the focus before it comes."""
    app = wizard(chosen.with_settings({"train.steps": 321, "train.rank": 24}).with_fields(step=4))
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
        await pilot.press("slash", "escape", *"/network_dim")  # what was searched goes, and the next search is one
        await until(pilot, lambda: screen.query_one("#search", Input).value == "network_dim")
        assert screen.form.key == "train.rank"
        await pilot.press(*["home", "/"])  # one slash more is none of the word
        await until(pilot, lambda: screen.form.key == "train.rank")


@pytest.mark.slow
async def test_keys_behind_enter_reach_the_screen_that_it_opens(wizard: Wizard, chosen: Draft) -> None:
    app = wizard(chosen.with_fields(step=4))
    async with app.run_test() as pilot:
        await at(pilot, "WelcomeScreen")
        await packet(pilot, "\r/rank\r\r48\r")  # the welcome's line, the step, the search, the row, the value
        screen = await at(pilot, "SettingsScreen")
        assert screen.query_one("#search", Input).value == "rank"
        assert app.draft.values["train.rank"] == 48


@pytest.mark.slow
async def test_a_window_gets_all_that_was_typed_for_it(wizard: Wizard, chosen: Draft) -> None:
    app = wizard(chosen.with_fields(step=1))
    async with app.run_test() as pilot:
        screen = await opened(pilot)
        screen.query_one("#table").move_cursor(row=len(screen.rows_shown()) - 1)
        await pilot.pause()
        name = screen.picture.name
        await packet(pilot, "e\x05, a q b and f\r")
        assert app.draft.captions[name].endswith("a q b and f")


F2 = "\ue002"  # one sign for the key, as one letter is for another
LONG_ENOUGH = 0.3  # seconds of a look at the pictures: more than the keys of a packet take


@pytest.fixture
def slow_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    """A look at the pictures takes as long as one of many pictures does."""
    from loratui.curation.scan import scan

    def slowly(*how: Any) -> Any:
        time.sleep(LONG_ENOUGH)
        return scan(*how)

    monkeypatch.setattr("loratui.curation.scan.scan", slowly)


@pytest.mark.slow
async def test_keys_are_held_while_a_step_works_before_it_leaves(
    wizard: Wizard, photos: Path, slow_looks: None
) -> None:
    """Subject looks at the pictures by the word that was chosen: what is typed meanwhile is for what comes."""
    app = wizard(Draft(step=1, values={"dataset.path": "photos"}))
    async with app.run_test() as pilot:
        await opened(pilot)
        await packet(pilot, F2 * 4)
        await at(pilot, "ReviewScreen")


@pytest.mark.slow
@pytest.mark.parametrize("trouble", ["", "kind", "skip"])
async def test_f2_while_the_pictures_are_looked_at_is_taken_after_that(
    wizard: Wizard, photos: Path, slow_looks: None, trouble: str
) -> None:
    """Unless something is asked instead: then it is no answer, and what follows it neither."""
    if trouble == "skip":
        (photos / "cut.png").write_bytes((photos / "dog_0.png").read_bytes()[:200])
    values = {"dataset.path": "photos", "dataset.trigger": "TOK"}
    app = wizard(Draft(step=1, values=values), kind="" if trouble == "kind" else "object")
    async with app.run_test() as pilot:
        await at(pilot, "WelcomeScreen")
        await packet(pilot, "\r" + F2 * 4 + "\r" * 2 * bool(trouble))
        screen = await at(pilot, {"": "ReviewScreen", "kind": "Chooser", "skip": "Confirm"}[trouble])
        await pilot.pause(0.2)
        assert app.screen is screen and not app.draft.skipped
        assert app.draft.values.get("kind") == (None if trouble == "kind" else "object")


@pytest.mark.slow
async def test_held_keys_answer_no_question(wizard: Wizard, photos: Path, slow_looks: None) -> None:
    for one in photos.glob("*.txt"):
        one.write_text("a dog")
    app = wizard(Draft(step=1, values={"dataset.path": "photos"}))
    async with app.run_test() as pilot:
        await opened(pilot)
        await packet(pilot, F2 * 2 + "\rn" + F2)
        question = await at(pilot, "Confirm")
        await pilot.pause(0.2)
        assert app.screen is question and "New findings" in screen_text(app)
        await packet(pilot, "n/rank")  # those that are typed now do
        await at(pilot, "PresetScreen")


@pytest.mark.slow
async def test_escape_leaves_a_step_that_works(wizard: Wizard, photos: Path, slow_looks: None) -> None:
    app = wizard(Draft(step=1, values={"dataset.path": "photos"}))
    async with app.run_test() as pilot:
        await opened(pilot)
        await pilot.press("f2")
        screen = await at(pilot, "ConceptScreen")
        app.post_message(Key("f2", None))
        await until(pilot, lambda: screen.waits)
        await packet(pilot, F2 * 2 + "\x1b")
        await at(pilot, "PicturesScreen")
        await until(pilot, lambda: app.screen._report is not None)
        assert type(app.screen).__name__ == "PicturesScreen"


@pytest.mark.slow
async def test_no_key_waits_for_ever_behind_one_that_leads_nowhere(wizard: Wizard) -> None:
    app = wizard(None)
    async with app.run_test() as pilot:
        screen = await at(pilot, "WelcomeScreen")
        app._in_flight = True  # as after a key into a widget that was removed
        await pilot.press("f1")
        await until(pilot, lambda: app.screen is not screen)
