"""Curves as rows of braille: pure arithmetic from a plot and a size to text, with no terminal in it."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from loratui.terminal.ticks import decades, told_ticks

LABEL = 7  # cells for the numbers of the y axis
NARROWEST = (2e-3, 0.02, 0.2, 2.0)  # of a value, tried in turn: what hardly changes does not seem to climb
DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))  # bit of [row][column] inside a braille cell

Piece = tuple[str, str]  # text, style name ("" for none)


@dataclass(frozen=True)
class Curve:
    """A line through (xs, ys), xs rising; nulls and values that a log axis cannot show are left out.

    `every`: the usual distance of two xs. Where twice that or more is missing, the line has a gap.
    """

    xs: Sequence[float]
    ys: Sequence[float | None]
    style: str
    dotted: bool = False
    every: float = math.inf


@dataclass(frozen=True)
class Band:
    """A shaded area from lows to highs, xs rising."""

    xs: Sequence[float]
    lows: Sequence[float]
    highs: Sequence[float]
    style: str = "band"


@dataclass(frozen=True)
class AxisMark:
    """A glyph on the x axis, with a line through the plot where `line` is set."""

    x: float
    glyph: str
    style: str
    line: bool = False


@dataclass(frozen=True)
class Plot:
    """All that a chart shows, from `x_start` to `x_end`; what lies outside is not drawn and sets no scale."""

    curves: tuple[Curve, ...] = ()
    band: Band | None = None
    marks: tuple[AxisMark, ...] = ()
    x_end: float = 1.0
    log: bool = False
    empty: str = "nothing to draw yet"
    x_start: float = 0.0
    cursor: float | None = None

    @property
    def width(self) -> float:
        """How much of the x axis is shown; never 0."""
        return max(self.x_end - self.x_start, 1e-9)

    def inside(self, x: float) -> bool:
        """Whether `x` is shown."""
        return self.x_start <= x <= self.x_end


def draw(plot: Plot, width: int, height: int) -> list[list[Piece]]:
    """`height` rows of exactly `width` cells. The cost follows the size and the buckets, not the run's length."""
    columns, rows = width - LABEL - 1, height - 1
    if columns < 2 or rows < 1:
        return [[(" " * max(0, width), "")] for _ in range(max(0, height))]
    transform = _log if plot.log else _linear
    plot = _within(plot)
    span = _span(plot, transform, rows)
    if span is None:
        return _blank(plot.empty, width, height)
    canvas = _Canvas(columns, rows, plot, span)
    if plot.band is not None:
        canvas.shade(plot.band, transform)
    for mark in plot.marks:
        if mark.line:
            canvas.upright(mark.x, mark.style)
    if plot.cursor is not None and plot.inside(plot.cursor):
        canvas.upright(plot.cursor, "cursor", every=1)
    for curve in plot.curves:
        canvas.line(curve, transform)
    labels = _labels(span, rows, plot.log)
    lines = [[(labels.get(row, " " * LABEL), "axis"), ("│", "axis"), *canvas.row(row)] for row in range(rows)]
    return [*lines, _axis(plot, columns)]


def left_out(plot: Plot) -> int:
    """How many of the points shown a log axis cannot hold: zero and less."""
    if not plot.log:
        return 0
    return sum(value is not None and value <= 0 for curve in _within(plot).curves for value in curve.ys)


def x_of(plot: Plot, column: int, width: int) -> float | None:
    """The x under a column of a drawing of `width` cells, or None beside its axis."""
    columns = width - LABEL - 1
    place = column - LABEL - 1
    if columns < 2 or not 0 <= place < columns:
        return None
    return plot.x_start + (place + 0.5) / columns * plot.width


def x_step(plot: Plot, width: int) -> float:
    """How much of the x axis one cell of a drawing of `width` cells covers."""
    return plot.width / max(1, width - LABEL - 1)


def _within(plot: Plot) -> Plot:
    """The part of a plot between x_start and x_end, with one point more on either side, put onto the edge."""
    curves = tuple(_cut(curve, plot.x_start, plot.x_end) for curve in plot.curves)
    band = plot.band
    if band is not None:
        part = slice(bisect_left(band.xs, plot.x_start), bisect_right(band.xs, plot.x_end))
        band = replace(band, xs=band.xs[part], lows=band.lows[part], highs=band.highs[part])
    return replace(plot, curves=curves, band=band, marks=tuple(one for one in plot.marks if plot.inside(one.x)))


def _cut(curve: Curve, start: float, end: float) -> Curve:
    first, last = bisect_left(curve.xs, start), bisect_right(curve.xs, end)
    if first == 0 and last == len(curve.xs):
        return curve
    xs, ys = list(curve.xs[first:last]), list(curve.ys[first:last])
    for edge, here, place in ((start, first, 0), (end, last, len(xs) + 1)):
        if 0 < here < len(curve.xs) and (crossing := _crossing(curve, here, edge)) is not None:
            xs.insert(place, edge)
            ys.insert(place, crossing)
    return replace(curve, xs=xs, ys=ys)


def _crossing(curve: Curve, right: int, x: float) -> float | None:
    """The value at `x` of the line from the point before `right` to it; None where there is a gap."""
    (x0, y0), (x1, y1) = ((curve.xs[at], curve.ys[at]) for at in (right - 1, right))
    if y0 is None or y1 is None or not x0 < x < x1 or x1 - x0 >= 2 * curve.every:
        return None
    return y0 + (y1 - y0) * (x - x0) / (x1 - x0)


class _Canvas:
    """A grid of braille cells: shading below, lines above; a cell shows one style."""

    def __init__(self, columns: int, rows: int, plot: Plot, span: tuple[float, float]) -> None:
        self.columns, self.rows = columns, rows
        self._start, self._width, (self._low, self._high) = plot.x_start, plot.width, span
        self._bits = [[0] * columns for _ in range(rows)]
        self._styles = [[""] * columns for _ in range(rows)]
        self._shade = [[0] * columns for _ in range(rows)]

    def _x(self, x: float) -> int:
        return min(self.columns * 2 - 1, max(0, int((x - self._start) / self._width * (self.columns * 2 - 1))))

    def _y(self, value: float) -> int:
        top = self.rows * 4 - 1
        return min(top, max(0, round((self._high - value) / (self._high - self._low) * top)))

    def shade(self, band: Band, transform: Callable[[float], float | None]) -> None:
        """Fill between lows and highs in a chequered pattern, which stays lighter than a line without colour."""
        edges: dict[int, tuple[int, int]] = {}
        for x, low, high in zip(band.xs, band.lows, band.highs, strict=True):
            under, over = transform(low), transform(high)
            if under is None or over is None:
                continue
            column, top, bottom = self._x(x), self._y(over), self._y(under)
            before = edges.get(column, (top, bottom))
            edges[column] = (min(top, before[0]), max(bottom, before[1]))
        for column, (top, bottom) in edges.items():
            for y in range(top, bottom + 1):
                if (column + y) % 2 == 0:
                    self._shade[y // 4][column // 2] |= DOTS[y % 4][column % 2]

    def upright(self, x: float, style: str, every: int = 2) -> None:
        """A line from the bottom to the top, a dot in `every` rows of dots."""
        column = self._x(x)
        for y in range(0, self.rows * 4, every):
            self._dot(column, y, style)

    def line(self, curve: Curve, transform: Callable[[float], float | None]) -> None:
        """Mean per dot column, joined to the column before unless steps are missing between them."""
        sums: dict[int, tuple[float, int, float, float]] = {}  # column: sum, count, first and last x
        for x, value in zip(curve.xs, curve.ys, strict=True):
            moved = None if value is None else transform(value)
            if moved is not None:
                total, count, first, _ = sums.get(self._x(x), (0.0, 0, x, x))
                sums[self._x(x)] = (total + moved, count + 1, first, x)
        before: tuple[int, int] | None = None
        seen = -math.inf
        for column in sorted(sums):
            total, count, first, last = sums[column]
            y = self._y(total / count)
            if first - seen >= 2 * curve.every:
                before = None
            for dot in _joined(before, (column, y)):
                if not curve.dotted or dot[0] % 4 == 0:
                    self._dot(*dot, curve.style)
            before, seen = (column, y), last

    def row(self, row: int) -> list[Piece]:
        """One row as pieces of equal style."""
        pieces: list[Piece] = []
        for bits, style, shade in zip(self._bits[row], self._styles[row], self._shade[row], strict=True):
            cell, name = (chr(0x2800 + bits), style) if bits else (chr(0x2800 + shade) if shade else " ", "band")
            if pieces and pieces[-1][1] == name:
                pieces[-1] = (pieces[-1][0] + cell, name)
            else:
                pieces.append((cell, name))
        return pieces

    def _dot(self, x: int, y: int, style: str) -> None:
        self._bits[y // 4][x // 2] |= DOTS[y % 4][x % 2]
        self._styles[y // 4][x // 2] = style


def _joined(before: tuple[int, int] | None, point: tuple[int, int]) -> Iterable[tuple[int, int]]:
    """The dots from `before` (not included) to `point`."""
    if before is None:
        return [point]
    (x0, y0), (x1, y1) = before, point
    count = max(abs(x1 - x0), abs(y1 - y0), 1)
    return [(x0 + round((x1 - x0) * i / count), y0 + round((y1 - y0) * i / count)) for i in range(1, count + 1)]


def _linear(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _log(value: float) -> float | None:
    return math.log10(value) if value > 0 and math.isfinite(value) else None


def _span(plot: Plot, transform: Callable[[float], float | None], rows: int) -> tuple[float, float] | None:
    """The lowest and highest value shown, after `transform`, two labels apart at least; None if there is none."""
    raw = [value for curve in plot.curves for value in curve.ys if value is not None]
    if plot.band is not None:
        raw += [*plot.band.lows, *plot.band.highs]
    seen = [value for value in map(transform, raw) if value is not None]
    if not seen:
        return None
    low, high = min(seen), max(seen)
    if plot.log:
        margin = max(0.1, (1.2 - (high - low)) / 2)  # at least a decade, so that one tick is inside
        return low - margin, high + margin
    if high - low < 1e-12:
        margin = abs(high) * 0.5 or 1.0
        return low - margin, high + margin
    size = max(abs(low), abs(high))
    for part in NARROWEST:
        margin = max(0.0, (part * size - (high - low)) / 2)
        if len(told_ticks(low - margin, high + margin, rows, LABEL - 1)) > 1:
            break
    return low - margin, high + margin


def _labels(span: tuple[float, float], rows: int, log: bool) -> dict[int, str]:
    """The numbers beside the rows: round ones, or decades; never two in neighbouring rows, never two alike."""
    low, high = span
    found: dict[int, str] = {}
    for tick, text in decades(low, high, rows) if log else told_ticks(low, high, rows, LABEL - 1):
        row = min(rows - 1, round((high - tick) / (high - low) * (rows * 4 - 1)) // 4)
        found.setdefault(row, f"{text:>{LABEL - 1}} ")
    return found


def _axis(plot: Plot, columns: int) -> list[Piece]:
    cells: list[Piece] = [("─", "axis")] * columns

    def place(x: float) -> int:
        return min(columns - 1, max(0, int((x - plot.x_start) / plot.width * (columns * 2 - 1)) // 2))

    for mark in plot.marks:
        cells[place(mark.x)] = (mark.glyph, mark.style)
    if plot.cursor is not None and plot.inside(plot.cursor):
        glyph, style = cells[place(plot.cursor)]
        cells[place(plot.cursor)] = ("┴" if style == "axis" else glyph, "cursor")
    return [(" " * LABEL, "axis"), ("└", "axis"), *cells]


def _blank(words: str, width: int, height: int) -> list[list[Piece]]:
    middle = height // 2
    return [[(f"{words[:width]:^{width}}" if row == middle else " " * width, "axis")] for row in range(height)]
