"""What Ctrl+P adds for sweeps: build one where there are settings, look at one where there are some."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from textual.app import App, SystemCommand
from textual.content import Content
from textual.screen import Screen

from loratui.errors import Refusal
from loratui.screens.shared.step import Step
from loratui.sweeps.declaration import Sweep
from loratui.sweeps.files import read_sweep
from loratui.sweeps.place import names
from loratui.terminal.text import safe_text

WITH_SETTINGS = ("Settings", "Review")


def sweep_commands(screen: Screen[Any]) -> Iterator[SystemCommand]:
    """The commands of a screen; no key belongs to them, so that the simple way has none more."""
    if isinstance(screen, Step) and screen.TITLE_OF in WITH_SETTINGS:
        yield SystemCommand("Try several values", "One run each, side by side at the end.", lambda: build(screen))
    if names():
        yield SystemCommand("Sweeps", "The table and the wall of several values tried.", lambda: choose(screen.app))


def build(screen: Step) -> None:
    """Build a sweep from the step's draft, beginning with the setting under the cursor."""
    from loratui.screens.wizard.sweeps.builder import SweepBuilder

    screen.take_fields()
    form = getattr(screen, "form", None)
    key = str(getattr(form, "key", ""))

    def built(sweep: Sweep | None) -> None:
        if sweep is not None:
            show(screen.app, sweep)

    screen.app.push_screen(SweepBuilder(screen.draft, screen.session, key), built)


def choose(app: App[Any]) -> None:
    """One of the sweeps of this folder."""
    from loratui.screens.shared.dialogs import Chooser

    found = names()

    def take(name: str | None) -> None:
        if name is None:
            return
        try:
            show(app, read_sweep(name))
        except Refusal as refusal:
            app.notify(safe_text(refusal.messages[0]), severity="error", markup=False)

    if len(found) == 1:
        take(found[0])
    else:
        app.push_screen(Chooser("Which sweep?", [(one, _row(one)) for one in found], found[0]), take)


def _row(name: str) -> Content:
    """A sweep, and how its runs are doing."""
    from loratui.sweeps.progress import point_runs, summary

    try:
        state = summary(point_runs(read_sweep(name), wait=False))
    except Refusal as refusal:
        state = f"! {safe_text(refusal.messages[0], 60)}"
    return Content.assemble(safe_text(name, 40), (f"  {state}", "$muted"))


def show(app: App[Any], sweep: Sweep) -> None:
    """The screen of a sweep."""
    from loratui.screens.results.sweep import SweepScreen

    app.push_screen(SweepScreen(sweep))
