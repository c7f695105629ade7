"""A size that the window has no more changes nothing, on a screen and on what stands over it."""

from __future__ import annotations

import importlib
import pkgutil

import pytest
from textual.app import App
from textual.events import Resize
from textual.geometry import Size
from textual.screen import Screen

from loratui import screens
from loratui.screens.shared.dialogs import Help
from loratui.screens.shared.questions import Confirm
from loratui.screens.shared.steady import SteadyModal, SteadyScreen

WINDOW, OLD = Size(120, 36), Size(80, 24)


async def laid_out(screen: Screen[None] | Screen[bool]) -> set[Size]:
    """The sizes that a screen is laid out for when it is told an old one."""
    seen: set[Size] = set()
    async with App[None]().run_test(size=WINDOW) as pilot:
        await pilot.app.push_screen(screen)
        await pilot.pause()
        screen.screen_layout_refresh_signal.subscribe(screen, lambda _: seen.add(screen.region.size), immediate=True)
        screen.post_message(Resize(OLD, OLD))
        await pilot.pause()
        screen.refresh(layout=True)
        await pilot.pause()
    return seen


@pytest.mark.parametrize("make", [SteadyScreen[None], lambda: Confirm("Really?", "It is a question.", yes="Yes")])
async def test_an_old_size_is_passed_over(make: type[SteadyScreen[None]]) -> None:
    assert await laid_out(make()) == {WINDOW}


async def test_textual_lays_itself_out_for_it() -> None:
    """When this fails, the screens need no pass any more."""
    assert OLD in await laid_out(Screen[None]())


async def test_the_size_of_the_window_is_taken() -> None:
    screen = SteadyScreen[None]()
    async with App[None]().run_test(size=WINDOW) as pilot:
        await pilot.app.push_screen(screen)
        await pilot.resize_terminal(*OLD)
        await pilot.pause()
        assert screen.size == OLD


async def test_a_window_that_closes_hears_of_no_size() -> None:
    """The size may still be on its way when the window is closed: its widgets are gone before it is."""
    heard = []

    class Listening(Help):
        def resized(self) -> None:
            heard.append(len(self.query(".dialog-body Static")))
            super().resized()

    async with App[None]().run_test(size=WINDOW) as pilot:
        window = Listening("here", "words")
        await pilot.app.push_screen(window)
        await pilot.pause()
        assert heard and all(heard)
        before = len(heard)
        closing = pilot.app.pop_screen()
        window.post_message(Resize(WINDOW, WINDOW))
        await closing
        await pilot.pause()
        assert len(heard) == before


def test_no_screen_hears_of_a_size_past_this_one() -> None:
    for one in pkgutil.walk_packages(screens.__path__, "loratui.screens."):
        importlib.import_module(one.name)
    found: list[type] = [SteadyScreen, SteadyModal]
    for one in found:
        found += [other for other in one.__subclasses__() if other not in found]
    assert len(found) > 30
    for one in found[2:]:
        told = [value for value in vars(one).values() for on, _ in getattr(value, "_textual_on", ()) if on is Resize]
        assert not told and "on_resize" not in vars(one), one
