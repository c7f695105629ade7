"""Lines about a stage that trains: step, mean loss since the last line, time a step."""

from __future__ import annotations

import time
from collections.abc import Callable


class StageLog:
    """Prints a line every `every` steps of a stage."""

    def __init__(self, stage: str, total: int, every: int) -> None:
        self._stage, self._total, self._every = stage, total, every
        self._since, self._sum, self._count = time.perf_counter(), 0.0, 0

    def step(self, step: int, loss: float, more: Callable[[], str] | None = None) -> None:
        """Notes one step's loss; `more` is asked for further words when a line is due."""
        self._sum, self._count = self._sum + loss, self._count + 1
        if step % self._every and step != self._total:
            return
        each = (time.perf_counter() - self._since) / self._count * 1000
        line = f"{step}/{self._total} loss {self._sum / self._count:.4f} {each:.0f} ms/step"
        self.note(f"{line} {more() if more else ''}")
        self._since, self._sum, self._count = time.perf_counter(), 0.0, 0

    def note(self, words: str) -> None:
        """One line, with the stage's name in front."""
        print(f"{self._stage}: {words.rstrip()}", flush=True)
