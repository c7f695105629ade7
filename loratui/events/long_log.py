"""Reads a long log for a screen in pieces, old steps thinned: a million steps are there in seconds, not in a minute."""

from __future__ import annotations

from pathlib import Path

from trainer.contract.paths import can_see
from trainer.contract.run.events import Event, Tail, parse_all

WHOLE = 8 << 20  # bytes; a log up to this size, about 30,000 steps, is read whole
RECENT = 1 << 20  # bytes at the end that are always read whole: speed and running mean are of these
KEPT = 8_000  # steps of the older part that are read: ten times the dots of a wide chart
PIECE = 8 << 20  # bytes a look: under a tenth of a second, so that keys are answered in between
_STEP, _BAD = b'"type":"step"', b'"nonfinite":true'
_HEAD = 64  # bytes at the start of a line in which its type stands


class LongLogTail(Tail):
    """A Tail whose first looks at a long log pass over most of the old steps.

    Everything that is no step, and each step whose loss was not finite, is read. `stride` says that of the older
    steps only every so many-th was.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.stride = 1
        self._size: int | None = None  # of the log at the first look
        self._passed = 0  # steps seen in the older part

    def read(self, limit: int = PIECE) -> list[Event]:
        """New events in order, from at most `limit` new bytes; empty when there is nothing new."""
        if self._size is None:
            self._size = self._path.stat().st_size if can_see(self._path) else 0
        return super().read(limit)

    def _events(self, lines: list[bytes]) -> list[Event]:
        assert self._size is not None
        old = self.offset <= self._size - RECENT and self._size > WHOLE
        return parse_all(self._thinned(lines) if old else lines)

    def _thinned(self, lines: list[bytes]) -> list[bytes]:
        if self.stride == 1:
            count = (self._size or 0) * len(lines) // max(1, sum(map(len, lines)))
            self.stride = max(1, count // KEPT)
        kept = []
        for line in lines:
            if _STEP in line[:_HEAD] and _BAD not in line:
                self._passed += 1
                if self._passed % self.stride:
                    continue
            kept.append(line)
        return kept
