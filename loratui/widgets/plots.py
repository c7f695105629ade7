"""From a run's history to the five charts: what is drawn, and the words in their borders."""

from __future__ import annotations

from collections.abc import Callable
from itertools import cycle
from typing import Literal

from textual.content import Content

from loratui.events.history import History
from loratui.events.series import Series, robust_mean
from loratui.terminal.glyphs import MARKS
from loratui.terminal.numbers import scientific
from loratui.terminal.text import safe_text
from loratui.terminal.units import in_bytes, in_time
from loratui.widgets.braille import AxisMark, Band, Curve, Plot

LINES = ("line1", "line2", "line3")
COLOURS = ("$accent", "$success", "$warning")
EMPTY = "no steps yet"

ChartName = Literal["loss", "rates", "gradient", "speed", "memory"]
WORDS: dict[ChartName, str] = {
    "loss": "loss",
    "rates": "rate",
    "gradient": "gradient norm",
    "speed": "speed",
    "memory": "memory",
}


def plot_of(history: History, name: ChartName) -> Plot:
    """A chart over the whole run."""
    return PLOTS[name](history)


def title_of(history: History, name: ChartName, width: int) -> Content:
    """A chart's name and its newest numbers, in at most about `width` cells."""
    return rate_title(history, width) if name == "rates" else TITLES[name](history)


def loss_plot(history: History) -> Plot:
    """The raw loss as a band, its running mean as a line, and of several concepts each one's loss at fixed noise."""
    ema = history.ema
    apart = [
        Curve(one.steps, one.losses, style) for style, one in zip(cycle(LINES[1:]), history.concepts, strict=False)
    ]
    return _plot(history, *apart, Curve(ema.steps, ema.values, "line1", every=ema.stride), band=_band(history.loss))


def rate_plot(history: History) -> Plot:
    """The effective rate of each group as a line and its d as dots, on a log axis."""
    curves: list[Curve] = []
    for style, group in zip(LINES, history.groups.values(), strict=False):
        curves.append(_curve(group.d, style, dotted=True))
        curves.append(_curve(group.effective, style))
    return _plot(history, *curves, log=True)


def gradient_plot(history: History) -> Plot:
    """The norm of the gradient before it is clipped."""
    norm = history.curves.grad_norm
    return _plot(history, _curve(norm, "line1"), band=_band(norm), empty="no gradient norm yet")


def speed_plot(history: History) -> Plot:
    """Seconds a step as a line, and as dots those in which it waited for its pictures."""
    curves = history.curves
    return _plot(history, _curve(curves.data, "line2", dotted=True), _curve(curves.seconds, "line1"))


def memory_plot(history: History) -> Plot:
    """Memory in GB, or in MB where it is less than one."""
    memory = history.curves.memory
    unit = memory_unit(memory)
    values = [value / unit for value in memory.values]
    return _plot(history, Curve(memory.steps, values, "line1", every=memory.stride), empty="no memory counted yet")


def memory_unit(memory: Series) -> float:
    """Bytes in one unit of the memory's axis."""
    return 1e9 if max(memory.highs, default=0.0) >= 1e9 else 1e6


def _plot(history: History, *curves: Curve, band: Band | None = None, log: bool = False, empty: str = EMPTY) -> Plot:
    return Plot(curves, band, _marks(history), x_end=max(history.steps, history.step, 1), log=log, empty=empty)


def _curve(series: Series, style: str, dotted: bool = False) -> Curve:
    return Curve(series.steps, series.values, style, dotted, every=series.stride)


def _band(series: Series) -> Band:
    return Band(series.steps, series.lows, series.highs)


def loss_title(history: History) -> Content:
    """The number of the day: the running mean, and the last raw value."""
    if history.ema.last is None:
        return Content("loss")
    parts = ((history.curves.instance.last, "instance"), (history.curves.classes.last, "class"))
    apart = "".join(f"  {name} {one:.4f}" for one, name in parts if one is not None)
    last = f"  last {history.loss.last:.4f}"
    each = [
        (f"  {safe_text(one.trigger, limit=12)} {one.losses[-1]:.4f}", colour)
        for colour, one in zip(cycle(COLOURS[1:]), history.concepts, strict=False)
    ]
    return Content.assemble("loss ", (f"{history.ema.last:.4f}", "bold"), (f"{apart}{last}", "$muted"), *each)


def rate_title(history: History, width: int) -> Content:
    """The newest effective rate of every group, in its curve's colour; d too where `width` cells allow it."""
    full = _rate_title(history, with_d=True)
    return full if full.cell_length <= width - 4 else _rate_title(history, with_d=False)


def _rate_title(history: History, with_d: bool) -> Content:
    parts: list[Content | str | tuple[str, str]] = ["rate"]
    for colour, (name, group) in zip(COLOURS, history.groups.items(), strict=False):
        parts.append((f"  {safe_text(name, limit=12)} ", colour))
        parts.append((rate_words(group.effective.last), "bold"))
        if with_d and group.d.last is not None:
            parts.append((f" d {rate_words(group.d.last)}", "$muted"))
    return Content.assemble(*parts)


def gradient_title(history: History) -> Content:
    """The newest norm."""
    norm = history.curves.grad_norm.last
    return Content("gradient norm") if norm is None else Content.assemble("gradient norm ", (f"{norm:.4g}", "bold"))


def speed_title(history: History) -> Content:
    """A step's time over the newest ones, and how much of it its pictures took."""
    speed, data = history.seconds_per_step, robust_mean(history.curves.last_data)
    if speed is None:
        return Content("speed")
    waited = "" if data is None else f"  pictures {in_time(data)}"
    return Content.assemble("speed ", (f"{in_time(speed)}/step", "bold"), (waited, "$success"))


def memory_title(history: History) -> Content:
    """What is taken, of what there is."""
    last = history.curves.memory.last
    if last is None:
        return Content("memory")
    whole = (
        " of RAM" if history.vram is None else "" if not history.vram_total else f" of {in_bytes(history.vram_total)}"
    )
    return Content.assemble("memory ", (in_bytes(last), "bold"), (whole, "$muted"))


def legend(history: History) -> Content:
    """What the glyphs on the axis mean: only those that are there."""
    kinds = dict.fromkeys(mark.kind for mark in history.marks)
    return Content("  ".join(f"{glyph} {kind}" for kind, glyph in MARKS.items() if kind in kinds))


def _marks(history: History) -> tuple[AxisMark, ...]:
    order = {"sample": 0, "checkpoint": 1, "pivot": 2}  # the rarer one wins a shared cell
    return tuple(
        AxisMark(mark.step, MARKS[mark.kind], "mark", line=mark.kind == "pivot")
        for mark in sorted(history.marks, key=lambda mark: order[mark.kind])
    )


def rate_words(value: float | None) -> str:
    """A rate: "1.0e-4"."""
    return "-" if value is None else scientific(value)


PLOTS: dict[ChartName, Callable[[History], Plot]] = {
    "loss": loss_plot,
    "rates": rate_plot,
    "gradient": gradient_plot,
    "speed": speed_plot,
    "memory": memory_plot,
}
TITLES: dict[ChartName, Callable[[History], Content]] = {
    "loss": loss_title,
    "gradient": gradient_title,
    "speed": speed_title,
    "memory": memory_title,
}
