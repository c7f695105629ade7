"""The curves of a run, and what its newest steps were like: fed one step event at a time, read by charts and words."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from loratui.events.series import Series
from loratui.terminal.numbers import number
from trainer.contract.run.events import Event

EMA = 0.96  # about the last 25 steps
MEAN_OF, LONG = 25, 100  # steps that a mean may begin from, where so many more follow
RECENT = 64  # steps that the estimate of the speed, and every word about "now", look back on
RECENT_NORMS = 8  # enough that one hard picture is not a trend
WARMING = 3  # first steps of a start, in which kernels are chosen and files are read: no measure of its speed


def kept_share(step: int) -> float:
    """How much of the mean before stays at a step: a short run would otherwise stay near its first value."""
    return min(EMA, step / (step + 4))


def running_mean(step: int, loss: float, before: float | None) -> float:
    """The mean of the losses up to a step: the figure that is called "loss" wherever one stands for a run."""
    keep = kept_share(step)
    return loss if before is None else keep * before + (1 - keep) * loss


def mean_at_end(steps: Iterable[tuple[int, float]]) -> float | None:
    """The running mean after the last of these steps; a step that comes again was taken back before.

    Of a long log these are the last ones: it then begins from their first mean, which is forgotten by the last one.
    """
    steps = tuple(steps)
    known: list[tuple[int, float]] = [(0, fmean(loss for _, loss in steps[:MEAN_OF]))] if len(steps) > LONG else []
    for step, loss in steps:
        while known and known[-1][0] >= step:
            known.pop()
        known.append((step, running_mean(step, loss, known[-1][1] if known else None)))
    return known[-1][1] if known else None


@dataclass(frozen=True)
class Group:
    """The rates of one parameter group: the optimizer's estimate, and what it really steps with."""

    d: Series
    effective: Series


class Curves:
    """All series over steps, and a window of the newest steps. `take` and `cut` are the ways to change it."""

    def __init__(self) -> None:
        self.loss = Series()
        self.ema = Series()
        self.instance, self.classes = Series(), Series()  # means of the loss's parts, where there are class pictures
        self.grad_norm = Series()  # before clipping
        self.seconds = Series()  # a step
        self.data = Series()  # seconds of a step that went by until its pictures were there
        self.memory = Series()  # bytes: on the GPU where there is one, else in RAM
        self.groups: dict[str, Group] = {}
        self.last_seconds: deque[float] = deque(maxlen=RECENT)
        self.last_data: deque[float] = deque(maxlen=RECENT)
        self.last_norms: deque[float] = deque(maxlen=RECENT_NORMS)
        self.opening: list[float] = []  # seconds of the first steps of this start, or after its pivot
        self.passed_over: deque[int] = deque(maxlen=RECENT)  # steps that were not applied
        self.lost_loss: int | None = None  # the last step whose loss was not finite
        self._warming = WARMING

    def begin(self) -> None:
        """A start of the trainer: maybe on another machine, so what was known of its pace no longer counts."""
        for window in (self.last_seconds, self.last_data, self.last_norms, self.passed_over):
            window.clear()
        self.lost_loss = None
        self.reopen()

    def reopen(self) -> None:
        """The work of a step has changed (the pivot): its pace is measured anew."""
        self.opening.clear()
        self._warming = WARMING

    def cut(self, after: int) -> None:
        """Forget what came after step `after`."""
        for series in self._all():
            series.cut(after)

    def take(self, step: int, event: Event) -> None:
        """Take in a step event; a number that is not there, or not finite, is a gap."""
        loss = number(event.get("loss"))
        if loss is not None:
            before = self.ema.last
            self.loss.add(step, loss)
            keep = kept_share(step)
            self.ema.add(step, running_mean(step, loss, before))
            for series, name in ((self.instance, "loss_instance"), (self.classes, "loss_class")):
                if (part := number(event.get(name))) is not None:
                    mean = series.last
                    series.add(step, part if mean is None else keep * mean + (1 - keep) * part)
        for name, rates in (event.get("rates") or {}).items():
            self._rates(step, str(name), rates)
        norm = number(event.get("grad_norm"))
        if norm is not None:
            self.grad_norm.add(step, norm)
            self.last_norms.append(norm)
        self._pace(step, event)
        vram = event.get("vram")
        memory = number(event.get("rss") if vram is None else vram)
        if memory is not None:
            self.memory.add(step, memory)
        if event.get("applied") is False:
            self.passed_over.append(step)
        if event.get("nonfinite") and loss is None:
            self.lost_loss = step

    def _pace(self, step: int, event: Event) -> None:
        seconds = number(event.get("s"))
        if seconds is None or seconds <= 0:
            return
        self.seconds.add(step, seconds)
        self.last_seconds.append(seconds)
        if self._warming:
            self._warming -= 1
        elif len(self.opening) < RECENT:
            self.opening.append(seconds)
        data = number(event.get("data"))
        if data is not None:
            self.data.add(step, data)
            self.last_data.append(data)

    def _rates(self, step: int, name: str, rates: dict[str, Any]) -> None:
        group = self.groups.get(name)
        if group is None:
            group = self.groups[name] = Group(Series(), Series())
        d, effective = number(rates.get("d")), number(rates.get("effective"))
        if d is not None:
            group.d.add(step, d)
        if effective is not None:
            group.effective.add(step, effective)

    def _all(self) -> list[Series]:
        plain = [self.loss, self.ema, self.instance, self.classes, self.grad_norm, self.seconds, self.data, self.memory]
        return plain + [series for group in self.groups.values() for series in (group.d, group.effective)]
