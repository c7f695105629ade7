"""Where one looks at a chart: the stretch of steps that is shown and the step of the cursor. Pure arithmetic."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace

NARROWEST = 8.0  # steps; closer there is nothing more to see


@dataclass(frozen=True)
class Zoom:
    """`span` is None for the whole run; `cursor` is None while it stays on the newest step."""

    span: tuple[float, float] | None = None
    cursor: int | None = None

    def shown(self, whole: float, newest: int) -> tuple[float, float]:
        """First and last step on the axis of a run of `whole` steps; a cursor on the newest step stays in sight."""
        if self.span is None:
            return 0.0, whole
        return _around(self.span, self.at(newest), whole)

    def at(self, newest: int) -> int:
        """The cursor's step."""
        return newest if self.cursor is None else min(self.cursor, newest)

    def closer(self, factor: float, whole: float, newest: int) -> Zoom:
        """`factor` times as close, or farther below 1; what is under the cursor stays where it is."""
        start, end = self.shown(whole, newest)
        width = max(min(NARROWEST, whole), (end - start) / factor)
        if width >= whole:
            return replace(self, span=None)
        at = float(self.at(newest))
        part = (at - start) / (end - start)
        begin = min(max(0.0, at - part * width), whole - width)
        return replace(self, span=(begin, begin + width))

    def moved(self, steps: Sequence[int], by: float, newest: int) -> Zoom:
        """The cursor `by` steps further along the `steps` that have values, by one of them at least."""
        if not steps:
            return self
        here = bisect_right(steps, self.at(newest)) - 1
        there = bisect_right(steps, self.at(newest) + by) - 1
        if by > 0:
            there = max(there, here + 1)
        elif here >= 0 and steps[here] < self.at(newest):
            there = min(there, here)  # from within a stretch to its first step
        else:
            there = min(there, here - 1)
        if there >= len(steps) - 1 and by > 0:
            return replace(self, cursor=None)
        return replace(self, cursor=steps[max(0, there)])

    def put(self, x: float, newest: int) -> Zoom:
        """The cursor on the step nearest to `x`."""
        step = max(0, round(x))
        return replace(self, cursor=None if step >= newest else step)

    def to_mark(self, marks: Sequence[int], forward: bool, newest: int) -> Zoom:
        """The cursor on the next mark, or the one before; where it is if there is none."""
        here = self.at(newest)
        steps = [step for step in marks if (step > here if forward else step < here) and step <= newest]
        return replace(self, cursor=min(steps) if forward else max(steps)) if steps else self


def _around(span: tuple[float, float], at: int, whole: float) -> tuple[float, float]:
    """`span`, shifted as little as holds `at` and stays inside the run."""
    width = min(span[1] - span[0], whole)
    start = min(max(span[0], at - width), float(at))
    start = min(max(0.0, start), whole - width)
    return start, start + width
