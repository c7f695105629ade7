"""A curve of any length in bounded memory: neighbouring steps are merged as it grows, peaks are kept."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

BUCKETS = 1024  # more than twice the dots of a wide terminal, few enough to draw in milliseconds


@dataclass(frozen=True)
class Point:
    """What a series knows of a stretch of steps: `first` to `last`, which are the same until steps are merged."""

    first: int
    last: int
    low: float
    high: float
    value: float  # the last one


class Series:
    """Values over steps, in buckets of `stride` steps; steps must not go down, except through `cut`."""

    __slots__ = ("_end", "_limit", "highs", "lows", "steps", "stride", "values")

    def __init__(self, limit: int = BUCKETS) -> None:
        self._limit = max(2, limit)
        self._end = 0  # the first step after the newest bucket; 0 before the first: no step is below
        self.stride = 1
        self.steps: list[int] = []  # the first step of each bucket
        self.lows: list[float] = []
        self.highs: list[float] = []
        self.values: list[float] = []  # the last value of each bucket

    def __len__(self) -> int:
        return len(self.steps)

    @property
    def last(self) -> float | None:
        """The newest value, or None before the first."""
        return self.values[-1] if self.values else None

    def add(self, step: int, value: float) -> None:
        """Append the value of `step`."""
        if step < self._end:
            if value < self.lows[-1]:
                self.lows[-1] = value
            if value > self.highs[-1]:
                self.highs[-1] = value
            self.values[-1] = value
            return
        self.steps.append(step)
        self.lows.append(value)
        self.highs.append(value)
        self.values.append(value)
        if len(self.steps) > self._limit:
            self._merge()
        self._end = (self.steps[-1] // self.stride + 1) * self.stride

    def at(self, step: int) -> Point | None:
        """The bucket that holds `step`, or None where there is no value."""
        place = bisect_right(self.steps, step) - 1
        if place < 0:
            return None
        first = self.steps[place]
        last = (first // self.stride + 1) * self.stride - 1
        if step > last:
            return None
        return Point(first, last, self.lows[place], self.highs[place], self.values[place])

    def cut(self, after: int) -> None:
        """Forget what came after step `after`: the run was resumed there."""
        keep = bisect_right(self.steps, after)
        for column in (self.steps, self.lows, self.highs, self.values):
            del column[keep:]
        self._end = (self.steps[-1] // self.stride + 1) * self.stride if self.steps else 0

    def _merge(self) -> None:
        """Halve the resolution: buckets that now fall together become one."""
        self.stride *= 2
        old = (self.steps, self.lows, self.highs, self.values)
        self.steps, self.lows, self.highs, self.values = [], [], [], []
        for step, low, high, value in zip(*old, strict=True):
            if self.steps and step // self.stride == self.steps[-1] // self.stride:
                self.lows[-1] = min(self.lows[-1], low)
                self.highs[-1] = max(self.highs[-1], high)
                self.values[-1] = value
            else:
                self.steps.append(step)
                self.lows.append(low)
                self.highs.append(high)
                self.values.append(value)


def robust_mean(values: Sequence[float]) -> float | None:
    """The mean of the middle half: one slow step (a picture, a page fault) does not move it."""
    if not values:
        return None
    ordered = sorted(values)
    quarter = len(ordered) // 4
    middle = ordered[quarter : len(ordered) - quarter]
    return sum(middle) / len(middle)
