"""Ctrl+P lists what can be done here by name, with its key, and does it."""

from __future__ import annotations

import ast
import importlib
import pkgutil
import re
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from textual.app import SystemCommand
from textual.binding import Binding
from textual.command import CommandList
from textual.screen import Screen
from textual.widgets import Input

import loratui
from loratui import screens
from loratui.app import LoratuiApp
from loratui.screens.shared.palette import command, commands_of, sentence_on
from loratui.settings.drafts.draft import Draft
from loratui.settings.drafts.store import DraftStore
from tests.loratui.screens.conftest import at, on_row, opened, screen_text, until

Wizard = Callable[..., LoratuiApp]


@pytest.mark.slow
async def test_what_is_typed_is_found_by_name_and_done(wizard: Wizard, chosen: Draft) -> None:
    app = wizard(chosen.with_fields(step=4, preset="object"))
    async with app.run_test() as pilot:
        await at(pilot, "WelcomeScreen")
        await pilot.press("enter")
        screen = await at(pilot, "SettingsScreen")
        listed = {one.title: one.help for one in commands_of(screen)}
        assert {"Change", "Reset", "Search", "Changed", "Preset", "Next", "Back", "Help"} == listed.keys()
        assert listed["Search"] == "/: To the search line." and listed["Change"].startswith("Enter: Change ")
        await pilot.press("ctrl+p")
        await at(pilot, "Palette")
        await until(pilot, lambda: "Light or dark" in screen_text(app))
        await pilot.press(*"search")
        await until(pilot, lambda: "To the search line." in screen_text(app))
        await pilot.press("enter")
        await until(pilot, lambda: screen.focused is screen.query_one("#search"))
        assert app.screen is screen


def test_each_line_of_the_list_is_one_whole_sentence() -> None:
    """As it is written beside the action; a line of more than two rows of the list would be read by nobody."""
    wrong, told = [], 0
    for module in pkgutil.walk_packages(screens.__path__, "loratui.screens."):
        for one in vars(importlib.import_module(module.name)).values():
            if isinstance(one, type) and issubclass(one, Screen) and one.__module__ == module.name:
                found = {binding.action: sentence_on(one, binding.action) for binding in _bindings(one)}
                wrong += [(one.__name__, *pair) for pair in found.items() if not _is_sentence(pair[1])]
                told += len(found)
    assert told > 100 and wrong == []


async def test_what_each_command_does_is_read_whole_at_80_columns(own_place: Path) -> None:
    """Every sentence of every screen, each in the list as it is drawn, with the longest name of a key before it."""
    told = {
        sentence_on(one, binding.action)
        for module in pkgutil.walk_packages(screens.__path__, "loratui.screens.")
        for one in vars(importlib.import_module(module.name)).values()
        if isinstance(one, type) and issubclass(one, Screen) and one.__module__ == module.name
        for binding in _bindings(one)
    } - {""}

    class Everything(LoratuiApp):
        CSS_PATH = str(Path(loratui.__file__).with_name("app.tcss"))

        def get_system_commands(self, screen: Screen[Any]) -> Iterable[SystemCommand]:
            return [command(f"{number:03}", "Shift-F12", said, screen.refresh) for number, said in enumerate(told)]

    app = Everything(store=DraftStore(own_place / "state"))
    async with app.run_test(size=(80, 24)) as pilot:
        await at(pilot, "WelcomeScreen")
        await pilot.press("ctrl+p")
        await at(pilot, "Palette")
        listed = app.screen.query_one(CommandList)
        await until(pilot, lambda: listed.option_count == len(told) > 100)
        seen = ""
        for place in range(len(told)):
            listed.highlighted = place
            await pilot.pause()
            seen += re.sub(r"[│\s]+", " ", screen_text(app))
        assert [said for said in told if f"Shift-F12: {said}" not in seen] == []


def _is_sentence(words: str) -> bool:
    return words == "" or (words[0].isupper() and words.endswith(".") and len(words) < 2 * 72)


async def test_what_can_be_done_now_is_listed_whatever_has_the_focus(wizard: Wizard, chosen: Draft) -> None:
    app = wizard(chosen.with_fields(step=4, preset="object"))
    async with app.run_test(size=(80, 24)) as pilot:
        await at(pilot, "WelcomeScreen")
        await pilot.press("enter")
        screen = await at(pilot, "SettingsScreen")
        listed = {one.title for one in commands_of(screen)}
        await pilot.press("slash")
        assert {one.title for one in commands_of(screen)} == listed and "Undo" not in listed
        change = {one.title: one.callback for one in commands_of(screen)}["Change"]
        await change()
        # of the setting under the cursor of the list
        await until(pilot, lambda: screen.focused is screen.query_one("#edit"))


async def test_before_a_folder_there_is_nothing_to_act_on(wizard: Wizard) -> None:
    app = wizard(Draft(step=1))
    async with app.run_test(size=(80, 24)) as pilot:
        await at(pilot, "WelcomeScreen")
        await pilot.press("enter")
        screen = await at(pilot, "PicturesScreen")
        assert {one.title for one in commands_of(screen)} <= {"Next", "Back", "Help", "Folders", "Complete"}


@pytest.mark.slow
@pytest.mark.parametrize("typed", ["zzzz", "light"])
async def test_enter_waits_for_what_was_typed(wizard: Wizard, typed: str) -> None:
    """Letters and Enter in one packet: what stood in the list before them is not taken."""
    app = wizard()
    async with app.run_test() as pilot:
        first = await at(pilot, "WelcomeScreen")
        await pilot.press("ctrl+p")
        palette = await at(pilot, "Palette")
        await until(pilot, lambda: "Light or dark" in screen_text(app))
        shade, line = app.theme, palette.query_one("CommandInput", Input)
        line.value = typed
        await line.action_submit()
        if typed == "zzzz":
            await until(pilot, lambda: "No matches" in screen_text(app))
            await pilot.pause(0.5)
            assert app.screen is palette and app.theme == shade
        else:
            await until(pilot, lambda: app.screen is first and app.theme != shade)


@pytest.mark.slow
@pytest.mark.parametrize("line", ["PicturesScreen", "CaptionWorkbench"])
async def test_letters_are_done_by_name_while_a_line_takes_them(wizard: Wizard, chosen: Draft, line: str) -> None:
    app = wizard(chosen.with_fields(step=1))
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await opened(pilot)
        if line == "CaptionWorkbench":
            await on_row(pilot, screen, "dog_1.png")
            await pilot.press("e")
            screen = await at(pilot, line)
        listed = {one.title for one in commands_of(screen)}
        screen.set_focus(screen.query("Input, CaptionField").first())
        await pilot.pause()
        assert {one.title for one in commands_of(screen)} >= listed
        run = {one.title: one.callback for one in commands_of(screen)}["Filter"]
        await run()
        await at(pilot, "Chooser")


MOVES = {"up", "down", "left", "right", "home", "end", "pageup", "pagedown", "tab", "shift", "j", "k"}


def test_every_key_but_the_movements_has_a_name() -> None:
    """What has one is listed by Ctrl+P, and shown where there is room; a second key of an action needs none."""
    nameless = []
    for path in Path(loratui.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            inside = ast.walk(node) if isinstance(node, ast.ClassDef) else ()
            calls = [one for one in inside if isinstance(one, ast.Call) and getattr(one.func, "id", "") == "Binding"]
            named = {ast.unparse(one.args[1]) for one in calls if len(one.args) > 2}
            for one in calls:
                key, action = one.args[0], ast.unparse(one.args[1])
                keys = re.split(r"[,+]", key.value) if isinstance(key, ast.Constant) else ["any"]
                if len(one.args) < 3 and not set(keys) <= MOVES and action not in {*named, "'app.shade'"}:
                    nameless.append((path.name, ast.unparse(one)))
    assert nameless == []


EVERYWHERE = {"next", "back", "help", "cancel", "leave", "close"}  # what every help ends with, or a way out


def test_a_key_is_called_the_same_on_the_line_in_the_palette_and_in_the_help() -> None:
    """The line and the palette take the binding's words; the help of the screen must hold them too."""
    other = {}
    for module in pkgutil.walk_packages(screens.__path__, "loratui.screens."):
        for one in vars(importlib.import_module(module.name)).values():
            if not (isinstance(one, type) and issubclass(one, Screen) and one.__module__ == module.name):
                continue
            told = " ".join(_help(one).lower().split())
            named = {binding.description.lower() for binding in _bindings(one) if binding.description} - EVERYWHERE
            if told and (missing := {name for name in named if not re.search(rf"\b{re.escape(name)}\b", told)}):
                other[one.__name__] = missing
    assert other == {}


def _help(screen: type) -> str:
    """The words that F1 shows; empty for a window without any."""
    module = sys.modules[screen.__module__]
    return str(getattr(screen, "HELP", "") or getattr(module, "HELP", "")) if hasattr(screen, "action_help") else ""


def _bindings(screen: type) -> list[Binding]:
    ours = [one for one in screen.__mro__ if one.__module__.startswith("loratui.")]
    found = [binding for one in ours for binding in one.__dict__.get("BINDINGS", ()) if isinstance(binding, Binding)]
    return [one for one in found if not one.description.startswith("Chart ")]  # by number
