"""The words of the result screen: how the run ended, and how its files are used."""

from __future__ import annotations

from textual.content import Content

from loratui.events.history import History
from loratui.results.usage import Usage
from loratui.runs.states import STATES
from loratui.screens.monitor.run_words import state_of
from loratui.terminal.text import safe_text
from loratui.terminal.units import clock


def head(history: History) -> Content:
    """State, name and figures of a run that has ended."""
    state = state_of(history, alive=False)
    glyph, style = STATES[state].glyph, STATES[state].style
    end = history.end or {}
    facts = [f"{history.step} steps"]
    if isinstance(end.get("seconds"), int | float):
        facts.append(clock(float(end["seconds"])))
    if history.views is not None:
        facts.append(f"{history.views:.1f} views per image")
    if history.ema.last is not None:
        facts.append(f"loss {history.ema.last:.4f}")
    words = " · ".join(facts)
    return Content.assemble(
        (f"{glyph} {state}  ", f"bold {style}"), (safe_text(history.name, 30), "bold"), (f"  {words}", "$muted")
    )


def usage_line(one: Usage) -> Content:
    """One way to use the files; of several lines only what they are."""
    if one.head:
        return Content.assemble((one.shown, "bold"), (f"  {one.note}", "$muted"))
    what = ("", "") if "\n" in one.copied else (f": {one.copied}", "")
    return Content.assemble(f"  {one.shown:<22}", (one.note, "$muted"), what)
