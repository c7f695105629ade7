"""What matters of a run, said once each as lines: the same judgement as above the monitor's charts."""

from __future__ import annotations

from loratui.events.history import History
from loratui.events.insights import new_insights
from loratui.terminal.line_sink import Sink
from loratui.terminal.text import safe_text
from trainer.contract.run.events import Event
from trainer.contract.run.rundir import RunDir
from trainer.contract.settings.config import TrainConfig, load_config


def settings_of(run: RunDir) -> TrainConfig | None:
    """The settings of a run, or None where they cannot be read: then less can be said."""
    try:
        return load_config(run.config)
    except (OSError, ValueError):
        return None


class InsightLines:
    """Gathers the events that a follower reads; says what is new among the insights when it has caught up."""

    def __init__(self, run: RunDir, sink: Sink) -> None:
        self._sink = sink
        self._history = History()
        self._said: set[str] = set()
        self._start: Event = {}
        self._config = settings_of(run)

    def absorb(self, events: list[Event]) -> None:
        """Take in events, in order."""
        self._history.absorb(events)

    def say(self) -> None:
        """Each insight once; again if the run starts again."""
        if self._history.run is not self._start:
            self._start = self._history.run
            self._said.clear()
        for one in new_insights(self._history, self._said, self._config):
            self._said.add(one.code)
            self._sink.line(f"! {safe_text(one.text)}")
            self._sink.line(f"  {safe_text(one.advice)}")
