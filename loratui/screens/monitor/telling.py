"""Tells the terminal how a run is doing while nobody looks: per cent in its title, a notice when it has ended."""

from __future__ import annotations

from textual.app import App

from loratui.events.history import History
from loratui.runs.states import STATES, StateName, run_title, state_words
from loratui.terminal.notices import GIVE_TITLE_BACK, KEEP_TITLE, end_words, hears, notice, title


class Telling:
    """Remembers what was said, so that nothing is said twice; one for each screen that watches a run."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._title = ""
        self._worked = False  # a trainer was seen at work

    def tell(self, app: App[object], history: History, state: StateName) -> None:
        """Say what is new of the run."""
        said = self.said(history, state)
        driver = app._driver  # Textual has a bell, and no way for the rest
        if said and driver is not None and hears():
            driver.write(said)
            driver.flush()

    def said(self, history: History, state: StateName) -> str:
        """What the terminal is sent now; empty if nothing is new."""
        part = f"{100 * history.step // history.steps} %" if history.steps and state == "training" else ""
        name = run_title(history.name, self._name)
        words = f"{part or state_words(state)} {name}"
        first, new = not self._title, words != self._title
        self._title = words
        ended = self._worked and not STATES[state].alive
        self._worked = STATES[state].alive
        sent = (KEEP_TITLE if first else "") + (title(words) if new else "")
        return sent + (notice(end_words(name, state, history.step, history.steps)) if ended else "")

    def leave(self, app: App[object]) -> None:
        """Give the terminal its title back."""
        if self._title and app._driver is not None and hears():
            app._driver.write(GIVE_TITLE_BACK)
            app._driver.flush()
        self._title = ""
