"""What was typed is never lost by a key of habit: Escape, Ctrl+C, leaving, wherever there is a line to type in."""

from __future__ import annotations

import ast
import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import Input

import loratui
from loratui.app import LEAVE, LoratuiApp
from loratui.basemodels.facts import BaseModelNeed
from loratui.screens.monitor.add_prompt import AddPrompt
from loratui.screens.shared.base_model import BaseModelScreen
from loratui.screens.shared.editors import Editor, Form, LineEditor
from loratui.screens.wizard.captions.replacing import ReplaceWindow
from loratui.settings.drafts.draft import Draft
from loratui.widgets.dialog import Dialog
from tests.loratui.screens.conftest import at, on_row, opened, step, until

pytestmark = pytest.mark.slow

Wizard = Callable[..., LoratuiApp]
WINDOWS: dict[str, Callable[[], Editor[Any]]] = {
    "Form": lambda: Form("Export", "Where to?", [("folder", "export", ""), ("name", "", "")], does="Export it"),
    "LineEditor": lambda: LineEditor("Caption", "a TOK dog", "What it shows."),
    "ReplaceWindow": lambda: ReplaceWindow("Find and replace", ["a TOK dog"]),
    "AddPrompt": lambda: AddPrompt("a TOK dog ", "TOK"),
}
STEPS = {"PicturesScreen", "ConceptScreen", "ReviewScreen", "CaptionWorkbench"}  # the draft takes what is typed
LINES = {"SettingsScreen", "BaseModelScreen"}  # a line of a screen that is entered


def with_lines() -> set[str]:
    """Every class of the program that has a line to type in."""
    found = set()
    for path in Path(loratui.__file__).parent.rglob("*.py"):
        for one in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            calls = [getattr(node.func, "id", "") for node in ast.walk(one) if isinstance(node, ast.Call)]
            if isinstance(one, ast.ClassDef) and {"Input", "TextArea", "CaptionField"} & set(calls):
                found.add(one.name)
    return found


def test_every_line_of_the_program_is_tested_here() -> None:
    assert with_lines() == {*WINDOWS, *STEPS, *LINES}


@pytest.mark.parametrize("name", WINDOWS)
async def test_escape_asks_where_something_was_typed(wizard: Wizard, name: str) -> None:
    app = wizard(None)
    given: list[Any] = []
    async with app.run_test() as pilot:
        await at(pilot, "WelcomeScreen")
        window = WINDOWS[name]()
        await app.push_screen(window, given.append)
        await pilot.press("escape")  # nothing was typed
        assert given == [None]
        window = WINDOWS[name]()
        await app.push_screen(window, given.append)
        line = window.query(Input).first()
        await pilot.press("end", "q", "n", "y", "ctrl+c")
        typed = line.value
        assert typed.endswith("qny")
        for keys in (("escape", "escape"), ("escape", "n"), ("escape", "enter"), ("ctrl+q", "escape"), ("ctrl+q", "n")):
            await pilot.press(*keys)
            assert app.screen is window and line.value == typed and app.is_running, keys
        await pilot.press("escape")
        assert type(app.screen).__name__ == "Question"
        await pilot.press("d")
        assert given == [None, None]


@pytest.mark.parametrize(("name", "kept"), [("Form", {"folder": "exportx", "name": ""}), ("LineEditor", "a TOK dogx")])
async def test_the_question_keeps_it_too(wizard: Wizard, name: str, kept: object) -> None:
    app = wizard(None)
    given: list[Any] = []
    async with app.run_test() as pilot:
        await at(pilot, "WelcomeScreen")
        await app.push_screen(WINDOWS[name](), given.append)
        await pilot.press("end", "x", "escape", "y")
        assert given == [kept]


@pytest.mark.parametrize("name", [*WINDOWS, "taken as it stands"])
async def test_enter_does_what_the_border_says_it_does(wizard: Wizard, name: str) -> None:
    """In each line of each window: it leads on where that stands there, and ends the window where it does not."""
    fields = [("folder", "export", ""), ("name", "", "")]
    make = WINDOWS.get(name, lambda: Form("Export", "Where to?", fields, does="Export it", whole=True))
    app = wizard(None)
    given: list[Any] = []
    async with app.run_test(size=(80, 24)) as pilot:
        await at(pilot, "WelcomeScreen")
        for place in range(len(make().starts)):
            window = make()
            await app.push_screen(window, given.append)
            lines = list(window.query(Input))
            lines[0].value = "dog"
            window.set_focus(lines[place])
            await pilot.pause()
            said = str(window.query_one(Dialog).border_subtitle)
            await pilot.press("enter")
            leads_on = re.match("Enter: next (field|line), F2", said) is not None
            assert leads_on is (place + 1 < len(lines) and name != "taken as it stands"), said
            assert (app.screen is window) is leads_on and len(given) == place + (not leads_on), said
            if leads_on:
                assert window.focused is lines[place + 1]
                await pilot.press("f2")
                assert len(given) == place + 1


async def test_what_is_wrong_is_said_in_the_window(wizard: Wizard) -> None:
    app = wizard(None)
    given: list[Any] = []
    async with app.run_test() as pilot:
        await at(pilot, "WelcomeScreen")
        window = LineEditor("How many?", "6", "Pictures.", lambda typed: "" if typed.isdecimal() else "No number.")
        await app.push_screen(window, given.append)
        await pilot.press("end", "x", "enter")
        assert app.screen is window and window.query(Input).first().value == "6x"
        assert "✗ No number." in str(window.query_one(".dialog-words").render())
        await pilot.press("backspace", "enter")
        assert given == ["6"]


Typing = Callable[[Pilot[Any], Any], Awaitable[None]]


@pytest.mark.parametrize(
    ("number", "name", "line", "typed", "key"),
    [
        (2, "ConceptScreen", "trigger", "ZWX", "dataset.trigger"),
        (2, "ConceptScreen", "prompt", "a drawing of TOK", "dataset.instance_prompt"),
        (5, "ReviewScreen", "name", "rex", "name"),
        (5, "ReviewScreen", "out", "elsewhere", ""),
    ],
)
@pytest.mark.parametrize("leave", ["escape", "ctrl+q"])
async def test_a_step_gives_what_was_typed_to_the_draft(
    wizard: Wizard, chosen: Draft, number: int, name: str, line: str, typed: str, key: str, leave: str
) -> None:
    app = wizard(chosen.with_fields(step=number))
    async with app.run_test() as pilot:
        screen = await step(pilot, name)
        screen.set_focus(screen.query_one(f"#{line}", Input))
        screen.query_one(f"#{line}", Input).value = typed[:-1]
        await pilot.press("end", typed[-1], leave)
    assert (app.draft.values[key] if key else app.draft.out) == typed


async def test_a_folder_that_was_typed_is_there_again(wizard: Wizard, chosen: Draft, photos: Path) -> None:
    app = wizard(Draft(step=1))
    async with app.run_test() as pilot:
        screen = await step(pilot, "PicturesScreen")
        await pilot.press(*"photo", "escape")
        await at(pilot, "WelcomeScreen")
        assert app.draft.get("dataset.path") == ""  # there is no such folder: no draft is made of it
        screen = await step(pilot, "PicturesScreen")
        assert screen.query_one("#folder", Input).value == "photo"
        await pilot.press("s", "escape")
        await at(pilot, "WelcomeScreen")
        assert app.draft.get("dataset.path") == "photos"
    # decisions hold for the folder that they were made for: they stay, and the line too
    app = wizard(chosen.with_settings({"dataset.skip": ("dog_0.png",)}).with_fields(step=1))
    async with app.run_test() as pilot:
        screen = await opened(pilot)
        screen.set_focus(screen.query_one("#folder", Input))
        await pilot.press("end", *"-new", "escape")
        assert app.draft.skipped == ("dog_0.png",) and app.draft.get("dataset.path") == "photos"
        screen = await step(pilot, "PicturesScreen")
        assert screen.query_one("#folder", Input).value == "photos-new"


async def test_escape_at_the_caption_question_keeps_every_edit(wizard: Wizard, chosen: Draft) -> None:
    app = wizard(chosen.with_fields(step=1))
    async with app.run_test() as pilot:
        screen = await opened(pilot)
        await on_row(pilot, screen, "dog_4.png")
        await pilot.press("e", *"a TOK dog", "escape", "escape")
        edits = dict(app.draft.captions)
        assert edits == {"dog_4.png": "a TOK dog"}
        for keys in (("f2", "escape"), ("f2", "n"), ("f2", "d", "escape"), ("f2", "d", "enter"), ("f2", "d", "n")):
            await pilot.press(*keys)
            assert app.screen is screen and app.draft.captions == edits, keys
        screen.set_focus(screen.query_one("#folder", Input))
        await pilot.press("end", "x", "enter", "escape")  # another folder would leave them behind
        assert app.draft.captions == edits and app.draft.get("dataset.path") == "photos"
        await pilot.press("backspace", "f2", "d", "y")
        assert not app.draft.captions and not Path("photos/dog_4.txt").exists()


async def test_who_comes_back_to_a_folder_finds_the_decisions(wizard: Wizard, chosen: Draft, photos: Path) -> None:
    app = wizard(chosen.with_settings({"dataset.skip": ("dog_0.png",)}).with_fields(step=1))
    async with app.run_test() as pilot:
        screen = await opened(pilot)
        screen.set_focus(screen.query_one("#folder", Input))
        await pilot.press("end", "x", "enter")
        await until(pilot, lambda: screen._report is None)
        assert screen.draft.skipped == () and app.draft.skipped == ("dog_0.png",)  # no pictures, no other draft
        await pilot.press("backspace", "enter")
        await until(pilot, lambda: screen._report is not None)
        assert app.draft.skipped == ("dog_0.png",)


async def test_escape_asks_in_the_line_of_a_setting(wizard: Wizard, chosen: Draft) -> None:
    app = wizard(chosen.with_fields(step=4))
    async with app.run_test() as pilot:
        screen = await step(pilot, "SettingsScreen")
        screen.form.go_to("train.rank")
        line = screen.query_one("#edit", Input)
        await pilot.press("enter", "escape")
        assert not screen.has_class("-editing")
        await pilot.press("enter", *"48")
        for keys in (("escape", "escape"), ("escape", "n"), ("ctrl+q", "n")):
            await pilot.press(*keys)
            assert app.screen is screen and line.value == "48" and screen.has_class("-editing"), keys
        await pilot.press("escape", "y")
        assert app.draft.values["train.rank"] == 48
        await pilot.press("enter", "9", "escape", "d")
        assert app.draft.values["train.rank"] == 48 and not screen.has_class("-editing")
        await pilot.press("r")
        assert "train.rank" not in app.draft.values
        await pilot.press("u")
        assert app.draft.values["train.rank"] == 48
        await pilot.press("u")
        assert "train.rank" not in app.draft.values


async def test_escape_asks_in_the_line_of_a_base_model(wizard: Wizard) -> None:
    app = wizard(None)
    given: list[Any] = []
    async with app.run_test() as pilot:
        await at(pilot, "WelcomeScreen")
        screen = BaseModelScreen("sdxl-small", BaseModelNeed())
        app.push_screen(screen, given.append)
        await at(pilot, "BaseModelScreen")
        line = screen.query_one("#base-typed", Input)
        await pilot.press("slash", *"/a/model")
        for keys in (("escape", "escape", "escape"), ("escape", "n"), ("ctrl+q", "n")):
            await pilot.press(*keys)
            assert app.screen is screen and line.value == "/a/model", keys
        await pilot.press("escape", "y")
        await until(pilot, lambda: "/a/model" in screen._values)
        await pilot.press("escape")
        assert given == [None]


@pytest.mark.parametrize("name", ["WelcomeScreen", "PicturesScreen", "Help"])
async def test_ctrl_c_says_our_key_in_our_words(wizard: Wizard, name: str) -> None:
    app = wizard()
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        await at(pilot, "WelcomeScreen")
        await pilot.press(*{"PicturesScreen": ["enter"], "Help": ["f1"]}.get(name, []))
        await at(pilot, name)
        await pilot.press("ctrl+c")
        await until(pilot, lambda: [one.message for one in app._notifications] == [LEAVE])
        assert app.is_running
