"""Every question of the program: the painted button is the one that Enter takes, red where it destroys."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from rich.color import Color, ColorSystem
from rich.style import Style
from textual.pilot import Pilot
from textual.widgets import Button

import loratui
from loratui.app import LoratuiApp
from loratui.screens.shared.questions import Answer, Confirm, Question
from tests.loratui.screens.conftest import at

PALETTES = (ColorSystem.STANDARD, ColorSystem.EIGHT_BIT, ColorSystem.TRUECOLOR)
RED = {ColorSystem.STANDARD: {1, 9}, ColorSystem.EIGHT_BIT: {124, 131, 160, 167, 174, 203}}


def literal(node: ast.expr, stand_in: Any) -> Any:
    """The value of a literal; else what stands in for words that are made at run time."""
    try:
        return ast.literal_eval(node)
    except ValueError:
        return stand_in


def bound(call: ast.Call, of: Callable[..., Any]) -> dict[str, Any]:
    """The arguments of `call` by name, as literals."""
    names = [name for name in inspect.signature(of).parameters if name != "self"]
    given = dict(zip(names, call.args, strict=False)) | {one.arg: one.value for one in call.keywords if one.arg}
    return {name: literal(node, True if name in ("careful", "destroys") else name) for name, node in given.items()}


def named(call: ast.Call) -> str:
    """The name that is called: `Question` for `Question[Kept](...)` too."""
    called = call.func.value if isinstance(call.func, ast.Subscript) else call.func
    return called.id if isinstance(called, ast.Name) else getattr(called, "attr", "")


def kinds() -> dict[str, type[Question[Any]]]:
    """Every class of questions, those that are written one day included."""
    found: list[type[Question[Any]]] = [Question]
    for one in found:
        found += [other for other in one.__subclasses__() if other not in found and "[" not in other.__name__]
    return {one.__name__: one for one in found}


@cache
def uses() -> tuple[tuple[str, Callable[[], Question[Any]]], ...]:
    """Each place of the program that asks, and a way to make its question."""
    return tuple(_uses())


def _uses() -> Iterator[tuple[str, Callable[[], Question[Any]]]]:
    for path in sorted(Path(loratui.__file__).parent.rglob("*.py")):
        for function in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(function, ast.FunctionDef):
                continue
            calls = [node for node in ast.walk(function) if isinstance(node, ast.Call)]
            given = [bound(one, Answer) for one in calls if named(one) == "Answer"]
            answers = [Answer(**one) for one in given if {"key", "words", "gives"} <= one.keys()]
            for one in calls:
                kind = kinds().get(named(one))
                if kind is Question:
                    known = {**bound(one, Question), "answers": answers}
                elif kind is not None:
                    known = bound(one, kind)
                else:
                    continue
                yield f"{path.stem}.{function.name}", lambda kind=kind, known=known: kind(**known)


def ground(style: Style, palette: ColorSystem) -> Color:
    """The colour that a cell is painted with, where a terminal has no more than `palette`."""
    colour = style.color if style.reverse else style.bgcolor
    assert colour is not None
    return colour.downgrade(palette)


def grounds(pilot: Pilot[Any], palette: ColorSystem) -> list[set[Color]]:
    """What is behind the words of each button."""
    strips = pilot.app.screen._compositor.render_strips()
    found = []
    for button in pilot.app.screen.query(Button):
        x, y, width, _ = button.region
        cells = strips[y].crop(x, x + width)
        found.append({ground(segment.style, palette) for segment in cells if segment.style is not None})
    return found


def is_red(colour: Color, palette: ColorSystem) -> bool:
    if palette in RED:
        return colour.number in RED[palette]
    red, green, blue = colour.get_truecolor()
    return red > 1.4 * max(green, blue)


def test_the_program_asks_in_the_places_that_are_known() -> None:
    places = {name for name, _ in uses()}
    assert len(places) >= 14
    assert {"ending.abort_question", "ending.stop_question", "writing.ask_to_write", "welcome.action_forget"} <= places


@pytest.mark.slow
@pytest.mark.parametrize("no_colour", [False, True], ids=["colour", "NO_COLOR"])
@pytest.mark.parametrize("shade", ["dark", "light"])
async def test_the_painted_button_is_the_one_in_focus(
    wizard: Callable[..., LoratuiApp], monkeypatch: pytest.MonkeyPatch, no_colour: bool, shade: str
) -> None:
    """In every question, in 16, 256 and all colours, and in greys."""
    if no_colour:
        monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("COLORFGBG", "0;15" if shade == "light" else "15;0")
    app = wizard(None)
    async with app.run_test() as pilot:
        await at(pilot, "WelcomeScreen")
        for name, make in uses():
            question = make()
            await app.push_screen(question)
            await pilot.pause(0.01)
            for place, button in enumerate(question.query(Button)):
                app.screen.set_focus(button)
                await pilot.pause(0.01)
                for palette in PALETTES:
                    seen = grounds(pilot, palette)
                    others = {colour for at, one in enumerate(seen) if at != place for colour in one}
                    where = (name, palette, place, seen)
                    assert len(seen[place]) == 1 and len(others) == 1, where
                    assert seen[place] != others, where
                    destroys = question._answers[place].destroys
                    if not no_colour:
                        assert is_red(next(iter(seen[place])), palette) == destroys, where
            question.dismiss(False)
            await pilot.pause(0.01)


def starts_harmless(question: Question[Any]) -> bool:
    return not question._answers[question._start].destroys


@pytest.mark.slow
async def test_letters_answer_and_escape_changes_nothing(wizard: Callable[..., LoratuiApp]) -> None:
    app = wizard(None)
    given: list[Any] = []
    async with app.run_test() as pilot:
        await at(pilot, "WelcomeScreen")
        for name, make in uses():
            for place, answer in enumerate(make()._answers):
                question = make()
                assert starts_harmless(question), name
                await app.push_screen(question, given.append)
                await pilot.press(answer.key)
                assert given.pop() == answer.gives, (name, place)
            await app.push_screen(make(), given.append)
            await pilot.press("escape")
            escaped = given.pop()
            assert not any(one.destroys for one in make()._answers if one.gives == escaped), name


async def test_right_and_enter_lead_away_from_an_abort(wizard: Callable[..., LoratuiApp]) -> None:
    """The way that lost a run: from the painted button to the other one, and Enter."""
    app = wizard(None)
    given: list[bool | None] = []
    async with app.run_test() as pilot:
        await at(pilot, "WelcomeScreen")
        question = Confirm("Abort?", "It is lost.", "Abort", "Go on", destroys=True)
        await app.push_screen(question, given.append)
        await pilot.press("enter")
        await app.push_screen(Confirm("Abort?", "It is lost.", "Abort", "Go on", destroys=True), given.append)
        await pilot.press("left", "right", "enter")
        assert given == [False, False]
