"""What stands under a cursor, in words: the values of every curve at a step, the marks there, how fine the chart is."""

from __future__ import annotations

from collections.abc import Callable

from textual.content import Content

from loratui.events.history import History, Mark
from loratui.events.series import Point, Series
from loratui.terminal.glyphs import MARKS
from loratui.terminal.text import plural, safe_text
from loratui.terminal.units import in_bytes, in_time
from loratui.widgets.braille import Plot, left_out, x_step
from loratui.widgets.plots import COLOURS, ChartName, rate_words

GAP = "   "


def main_series(history: History, name: ChartName) -> Series:
    """The series whose steps the cursor goes along on a chart."""
    curves = history.curves
    match name:
        case "loss":
            return curves.loss
        case "gradient":
            return curves.grad_norm
        case "speed":
            return curves.seconds
        case "memory":
            return curves.memory
    longest = max((group.effective for group in history.groups.values()), key=len, default=None)
    return Series() if longest is None else longest


def readings(history: History, name: ChartName, step: int) -> Content:
    """Three rows: the values of all curves at `step`, those of the chart `name` in bold."""
    curves = history.curves
    loss = _one("loss", curves.loss, step, _loss, name == "loss")
    mean = _one("mean", curves.ema, step, _loss, name == "loss", spread=False)
    norm = _one("gradient norm", curves.grad_norm, step, _figure, name == "gradient")
    pace = _one("a step", curves.seconds, step, in_time, name == "speed")
    data = _one("its pictures", curves.data, step, in_time, name == "speed", spread=False)
    memory = _one("memory", curves.memory, step, in_bytes, name == "memory")
    instance = _one("instance", curves.instance, step, _loss, name == "loss", spread=False)
    classes = _one("class", curves.classes, step, _loss, name == "loss", spread=False)
    rows = [
        _row(loss, mean, instance, classes, norm),
        _row(pace, data, memory),
        _groups(history, step, name == "rates"),
    ]
    return Content("\n").join(rows)


def place(history: History, marks: list[Mark], step: int, stride: int) -> Content:
    """Where the cursor is, how often each picture had been seen there, and what happened."""
    first, last = _stretch(step, stride, history.step)
    words = f"step {first}" if first == last else f"steps {first} to {last}"
    rest = f" of {history.steps}"
    if history.views and history.step:  # they grow evenly: pictures a step, over pictures
        rest += f" · {history.views * step / history.step:.1f} views per image"
    named = []
    for mark in marks:
        where = "" if first <= mark.step <= last else f" {mark.step}"
        named.append((f"{GAP}{MARKS[mark.kind]} {mark.kind}{where}", "$text-accent"))
    return Content.assemble((words, "bold"), (rest, "$muted"), *named)


def resolution(plot: Plot, stride: int, width: int) -> str:
    """How fine a chart of `width` cells is, honestly, and what a log axis cannot show."""
    dot = x_step(plot, width) / 2
    shown = f"steps {plot.x_start:.0f} to {plot.x_end:.0f}"
    if stride > dot and stride > 1:
        fine = f"one point kept for each {plural(stride, 'step')}: no finer detail"
    else:
        fine = f"each dot {plural(round(dot), 'step')}" if round(dot) > 1 else "every step has its dot"
    gone = left_out(plot)
    words = f"{shown} · {fine} · {'log' if plot.log else 'linear'}"
    return words + (f" · {gone} at or below 0 not shown" if gone else "")


def _stretch(step: int, stride: int, newest: int) -> tuple[int, int]:
    if stride == 1:
        return step, step
    first = step // stride * stride
    return max(first, 1) if step else 0, max(step, min(first + stride - 1, newest))


def _one(
    label: str, series: Series, step: int, words: Callable[[float], str], bold: bool, spread: bool = True
) -> Content | None:
    """A label and the value at `step`, with the range where several steps were merged; None for an empty curve."""
    if not len(series):
        return None
    point = series.at(step)
    value = "-" if point is None else words(point.value)
    extent = f" ({words(point.low)} to {words(point.high)})" if spread and _merged(point) and point else ""
    return Content.assemble((f"{label} ", "$muted"), (value, "bold" if bold else ""), (extent, "$muted"))


def _merged(point: Point | None) -> bool:
    return point is not None and point.low < point.high


def _groups(history: History, step: int, bold: bool) -> Content:
    found = []
    for colour, (name, group) in zip(COLOURS, history.groups.items(), strict=False):
        effective, d = group.effective.at(step), group.d.at(step)
        parts: list[tuple[str, str]] = [
            (f"{safe_text(name, limit=12)} ", colour),
            ("rate ", "$muted"),
            (rate_words(effective.value if effective else None), "bold" if bold else ""),
        ]
        if len(group.d):
            parts += [(" d ", "$muted"), (rate_words(d.value if d else None), "bold" if bold else "")]
        found.append(Content.assemble(*parts))
    return _row(*found)


def _row(*parts: Content | None) -> Content:
    return Content(GAP).join([one for one in parts if one is not None])


def _loss(value: float) -> str:
    return f"{value:.4f}"


def _figure(value: float) -> str:
    return f"{value:.4g}"
