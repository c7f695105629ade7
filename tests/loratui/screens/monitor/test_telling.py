"""A terminal in which nobody looks is told: per cent in its title, and once that the run has ended."""

from __future__ import annotations

import pytest

from loratui.events.history import History
from loratui.screens.monitor.telling import Telling
from loratui.terminal.notices import GIVE_TITLE_BACK, KEEP_TITLE, hears, notice, title
from tests.loratui.screens.conftest import HOSTILE, training


def history(steps: int) -> History:
    found = History()
    found.absorb(training(steps))
    return found


def test_the_title_has_per_cent_and_an_end_is_told_once() -> None:
    telling, run = Telling("anna"), history(40)
    part = 100 * run.step // run.steps
    assert 0 < part < 100
    assert telling.said(run, "training") == KEEP_TITLE + title(f"{part} % dog (anna)")
    assert telling.said(run, "training") == "", "nothing is new"
    assert telling.said(run, "paused") == title("‖ paused dog (anna)")
    told = telling.said(run, "completed")
    assert told.startswith(title("✓ completed dog (anna)")) and told.endswith(
        notice(f"dog (anna): completed, step 40 of {run.steps}")
    )
    assert telling.said(run, "completed") == ""


def test_a_run_that_had_ended_before_is_no_news() -> None:
    assert "\x1b]9;" not in Telling("anna").said(history(40), "completed")


def test_words_from_outside_close_nothing_and_begin_nothing() -> None:
    for made in (title(HOSTILE), notice(HOSTILE)):
        inside = made.removeprefix("\x07").replace("\x1b]9;", "").replace("\x1b]777;notify;loratui;", "")
        assert inside.removeprefix("\x1b]0;").count("\x1b") == 0 and made.count("\x07") == (1 if made[1] == "]" else 3)
    assert notice("a;b").count(";") == 4


def test_terminals_without_titles_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    for term, heard in (("xterm-256color", True), ("tmux", True), ("linux", False), ("dumb", False), ("", False)):
        monkeypatch.setenv("TERM", term)
        assert hears() is heard
    assert GIVE_TITLE_BACK != KEEP_TITLE
