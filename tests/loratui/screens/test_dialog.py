"""The title of every small window is read whole at 80x24 and in a narrower terminal, wherever it was opened from."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from textual.content import Content
from textual.pilot import Pilot

import loratui
from loratui.app import LoratuiApp
from loratui.screens.shared.dialogs import Chooser, Reader
from loratui.screens.shared.editors import Form, LineEditor
from loratui.screens.shared.questions import Confirm
from loratui.screens.shared.steady import SteadyModal
from loratui.screens.wizard.captions.replacing import ReplaceWindow
from loratui.settings.drafts.draft import Draft
from loratui.widgets.dialog import Dialog
from tests.loratui.screens.conftest import at, on_row, opened, screen_text, until

pytestmark = pytest.mark.slow

Wizard = Callable[..., LoratuiApp]
LONG = "img_0042.jpg: 2 faces: it would not know which one to learn, nor would a person who reads half of this title"
WINDOWS: dict[str, Callable[[str], SteadyModal[Any]]] = {
    "Chooser": lambda title: Chooser(title, [("a", Content("one")), ("b", Content("two"))], "a"),
    "Reader": lambda title: Reader(title, "what there is to read"),
    "Confirm": lambda title: Confirm(title, "what it does", "Do it"),
    "Form": lambda title: Form(title, "Where to?", [("folder", "", "")], does="Write"),
    "LineEditor": lambda title: LineEditor(title, "", "What it shows."),
    "ReplaceWindow": lambda title: ReplaceWindow(title, ["a dog"]),
}


def read(app: LoratuiApp) -> str:
    """The letters of the screen: no frames, no spaces and line ends."""
    return "".join(re.sub(r"[│╭╮╰╯─]", " ", screen_text(app)).split())


def assert_title_is_read(app: LoratuiApp) -> None:
    said = app.screen.query_one(Dialog)._said.plain
    assert "".join(said.split()) in read(app), screen_text(app)


def test_every_window_has_a_frame_that_cuts_no_title() -> None:
    made = re.compile(r"""classes=f?["']dialog["' ]""")
    found = [path.name for path in Path(loratui.__file__).parent.rglob("*.py") if made.search(path.read_text())]
    assert found == ["dialog.py"]


@pytest.mark.parametrize("title", [LONG, "Short"], ids=["long", "short"])
@pytest.mark.parametrize("name", WINDOWS)
async def test_a_title_that_is_too_long_for_the_border_is_wrapped(wizard: Wizard, name: str, title: str) -> None:
    app = wizard()
    async with app.run_test(size=(80, 24)) as pilot:
        await at(pilot, "WelcomeScreen")
        await app.push_screen(WINDOWS[name](title))
        for size in ((80, 24), (44, 24), (200, 50)):
            await pilot.resize_terminal(*size)
            await until(pilot, lambda: "".join(title.split()) in read(app))
            assert bool(app.screen.query_one(Dialog).border_title) == (title != LONG)


@pytest.mark.parametrize("title", [LONG, "Short"], ids=["long", "short"])
async def test_a_long_list_stays_within_its_window(wizard: Wizard, title: str) -> None:
    app = wizard()
    async with app.run_test(size=(80, 24)) as pilot:
        await at(pilot, "WelcomeScreen")
        lines = [(str(n), Content(f"line {n}")) for n in range(40)]
        await app.push_screen(Chooser(title, lines, "39"))
        await until(pilot, lambda: "line 39" in screen_text(app))
        inside, window = app.screen.query_one("#choices").region, app.screen.query_one(Dialog).region
        assert window.contains_region(inside) and inside.bottom < window.bottom


async def seen(pilot: Pilot[Any], app: LoratuiApp, below: Any, *keys: str) -> None:
    """Open a window by keys, read its title, and close it."""
    await pilot.press(*keys)
    await until(pilot, lambda: app.screen is not below)
    await until(pilot, lambda: bool(app.screen.query(Dialog)) and app.screen.is_mounted)
    await pilot.pause()
    assert_title_is_read(app)
    await pilot.press("escape")
    await until(pilot, lambda: app.screen is below)


async def test_no_window_of_the_pictures_cuts_its_title(wizard: Wizard, photos: Path) -> None:
    long = photos / "a-name-as-cameras-and-chat-programs-give-them-2026-11-28-at-05.44.19.png"
    (photos / "dog_4.png").rename(long)
    (photos / "dog_3.png").write_bytes((photos / "dog_0.png").read_bytes())
    app = wizard(Draft(step=1, values={"dataset.path": "photos", "dataset.trigger": "TOK"}))
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await opened(pilot)
        for key in ("f", "c", "b"):
            await seen(pilot, app, screen, key)
        for row in [one.code for one in screen.rows_shown() if hasattr(one, "code")]:
            await on_row(pilot, screen, row)
            await seen(pilot, app, screen, "s")
        await on_row(pilot, screen, long.name)
        await pilot.press("s", "enter")  # a model writes the captions: which one
        await until(pilot, lambda: isinstance(app.screen, Chooser) and "Which model" in app.screen._title)
        await pilot.pause()
        assert_title_is_read(app)
        await pilot.press("escape", "e", "escape")
        bench = await at(pilot, "CaptionWorkbench")
        for key in ("r", "b", "t", "f", "slash"):
            await seen(pilot, app, bench, key)
