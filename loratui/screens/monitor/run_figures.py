"""While a run is watched, its speed and memory are counted for the estimates of later ones: early, and at its end."""

from __future__ import annotations

from functools import partial
from typing import Any

from textual.screen import Screen

from loratui.events.history import History
from trainer.contract.run.rundir import RunDir

FIRST_LOOKS = (11, 67)  # steps: 8 after the warm-up, and as many as the speed is taken from (learned.FIRST)


class RunFigures:
    """Has the run counted in a thread; nothing waits for it, and what fails is left for the next look."""

    def __init__(self, screen: Screen[Any], run: RunDir) -> None:
        self._screen, self._run = screen, run
        self._due = [*FIRST_LOOKS]
        self._ended = False

    def look(self, history: History) -> None:
        """Count the run if it has come to one of the steps, or to an end that was not counted yet."""
        passed = [step for step in self._due if history.step >= step]
        ended = history.end is not None
        if passed or ended > self._ended:
            self._screen.run_worker(partial(_note, self._run), thread=True, group="learn", exit_on_error=False)
        self._due = [step for step in self._due if step not in passed]
        self._ended = ended


def _note(run: RunDir) -> None:
    from loratui.planning.past_runs import note

    note(run)
