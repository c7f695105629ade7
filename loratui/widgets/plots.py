"""From a run's history to the monitor's two charts: what is drawn, and the words in their borders."""

from __future__ import annotations

from textual.content import Content

from loratui.glyphs import MARKS as GLYPHS
from loratui.history import History
from loratui.text import safe_text
from loratui.widgets.braille import AxisMark, Band, Curve, Plot

LINES = ("line1", "line2", "line3")
COLOURS = ("$accent", "$success", "$warning")


def loss_plot(history: History) -> Plot:
    """The raw loss as a band, its running mean as a line."""
    loss, ema = history.loss, history.ema
    return Plot(
        curves=(Curve(ema.steps, ema.values, "line1"),),
        band=Band(loss.steps, loss.lows, loss.highs),
        marks=_marks(history),
        x_end=max(history.steps, 1),
        empty="no steps yet",
    )


def rate_plot(history: History) -> Plot:
    """The effective rate of each group as a line and its d as dots, on a log axis."""
    curves: list[Curve] = []
    for style, (_, group) in zip(LINES, history.groups.items(), strict=False):
        curves.append(Curve(group.d.steps, group.d.values, style, dotted=True))
        curves.append(Curve(group.effective.steps, group.effective.values, style))
    return Plot(
        curves=tuple(curves), marks=_marks(history), x_end=max(history.steps, 1), log=True, empty="no steps yet"
    )


def loss_title(history: History) -> Content:
    """The number of the day: the running mean, and the last raw value."""
    if history.ema.last is None:
        return Content("loss")
    return Content.assemble("loss ", (f"{history.ema.last:.4f}", "bold"), (f"  last {history.loss.last:.4f}", "$muted"))


def rate_title(history: History, width: int) -> Content:
    """The newest effective rate of every group, in its curve's colour; d too where `width` cells allow it."""
    full = _rate_title(history, with_d=True)
    return full if full.cell_length <= width - 4 else _rate_title(history, with_d=False)


def _rate_title(history: History, with_d: bool) -> Content:
    parts: list[Content | str | tuple[str, str]] = ["rate"]
    for colour, (name, group) in zip(COLOURS, history.groups.items(), strict=False):
        parts.append((f"  {safe_text(name, limit=12)} ", colour))
        parts.append((_rate(group.effective.last), "bold"))
        if with_d and group.d.last is not None:
            parts.append((f" d {_rate(group.d.last)}", "$muted"))
    return Content.assemble(*parts)


def legend(history: History) -> Content:
    """What the glyphs on the axis mean: only those that are there."""
    kinds = dict.fromkeys(mark.kind for mark in history.marks)
    return Content("  ".join(f"{GLYPHS[kind]} {kind}" for kind in ("pivot", "checkpoint", "sample") if kind in kinds))


def _marks(history: History) -> tuple[AxisMark, ...]:
    order = {"sample": 0, "checkpoint": 1, "pivot": 2}  # the rarer one wins a shared cell
    return tuple(
        AxisMark(mark.step, GLYPHS[mark.kind], "mark", line=mark.kind == "pivot")
        for mark in sorted(history.marks, key=lambda mark: order[mark.kind])
    )


def _rate(value: float | None) -> str:
    return "-" if value is None else f"{value:.1e}".replace("e-0", "e-")
