"""The charts' arithmetic: what is drawn where, at every size and for every kind of data."""

from __future__ import annotations

import math

import pytest

from loratui.widgets.braille import LABEL, AxisMark, Band, Curve, Plot, draw
from loratui.widgets.plots import rate_words


def lines(plot: Plot, width: int = 30, height: int = 8) -> list[str]:
    return ["".join(text for text, _ in row) for row in draw(plot, width, height)]


def curve(*ys: float | None) -> Plot:
    return Plot(curves=(Curve(range(len(ys)), ys, "line1"),), x_end=max(1, len(ys) - 1))


@pytest.mark.parametrize("width", [0, 1, 7, 8, 9, 10, 11, 30, 200])
@pytest.mark.parametrize("height", [0, 1, 2, 3, 24])
def test_every_size_is_filled_exactly(width: int, height: int) -> None:
    marks = (AxisMark(1, "◆", "mark", line=True),)
    for log in (False, True):
        plot = Plot((Curve([0, 1, 2], [1.0, 3.0, 2.0], "line1"),), Band([0, 2], [1, 1], [3, 2]), marks, 2, log)
        rows = lines(plot, width, height)
        assert len(rows) == height
        assert {len(row) for row in rows} <= {width}


def test_no_points_says_so() -> None:
    assert "nothing yet" in "".join(lines(Plot(empty="nothing yet")))
    assert "nothing yet" in "".join(lines(Plot(curves=(Curve([1], [None], "line1"),), empty="nothing yet")))


def test_a_rising_line_ends_at_the_top_right() -> None:
    rows = lines(curve(*(float(n) for n in range(50))))
    assert rows[0].rstrip()[-1] not in " │"
    assert rows[-2][LABEL + 1] != " "  # starts at the bottom left
    assert rows[-2].rstrip()[-1] != rows[0].rstrip()[-1] or len(rows[-2].rstrip()) < len(rows[0].rstrip())


def test_a_constant_line_has_a_scale() -> None:
    rows = lines(curve(0.5, 0.5, 0.5))
    assert [row[:LABEL].strip() for row in rows if row[:LABEL].strip()] == ["0.6", "0.4"]


@pytest.mark.parametrize("height", [4, 8, 13, 24, 60])
@pytest.mark.parametrize("size", [3e-7, 0.00123, 0.0987, 0.4925, 7.3, 492.5, 98_765.0, 123_456_789.0])
@pytest.mark.parametrize("part", [1e-9, 3e-5, 1e-3, 0.02, 0.7, 40.0])
def test_each_label_is_whole_and_says_where_it_stands(size: float, part: float, height: int) -> None:
    """No two alike, none cut to another number, and two at least; what hardly changes does not seem to climb."""
    ys = [size + part * size * number / 9 for number in range(10)]
    rows = lines(curve(*ys), height=height)
    labels = [float(row[:LABEL]) for row in rows if row[:LABEL].strip()]
    assert labels == sorted(set(labels), reverse=True) and len(labels) >= (1 if height == 4 else 2)
    drawn = [at for at, row in enumerate(rows[:-1]) if any(ord(cell) > 0x2800 for cell in row[LABEL + 1 :])]
    assert len(drawn) <= 2 or part > 3e-5


def test_one_way_to_write_numbers_far_from_one() -> None:
    rows = lines(Plot(curves=(Curve([0, 1], [1e-4, 1.0], "line1"),), x_end=1, log=True), height=14)
    axis = {row[:LABEL].strip() for row in rows if row[:LABEL].strip()}
    assert axis <= {rate_words(10.0**power).replace("1.0e", "1e") for power in range(-5, 2)}


def test_nulls_and_nonfinite_values_are_gaps() -> None:
    rows = lines(curve(1.0, None, math.inf, math.nan, 2.0))
    assert any(any(ord(cell) > 0x2800 for cell in row) for row in rows)


def test_a_log_axis_has_decade_ticks_and_skips_zero() -> None:
    rows = lines(Plot(curves=(Curve([0, 1, 2], [0.0, 1e-6, 1e-3], "line1"),), x_end=2, log=True), height=14)
    labels = [row[:LABEL].strip() for row in rows if row[:LABEL].strip()]
    assert labels == ["1e-3", "1e-4", "1e-5", "1e-6"]


def test_a_narrow_log_span_still_has_a_tick() -> None:
    rows = lines(Plot(curves=(Curve([0, 1], [2e-5, 3e-5], "line1"),), x_end=1, log=True))
    assert any(row[:LABEL].strip().startswith("1e") for row in rows)


def test_marks_stand_on_the_axis_and_the_pivot_goes_through() -> None:
    plot = Plot(curves=(Curve([0, 100], [0.0, 0.0], "line1"),), marks=(AxisMark(50, "◆", "mark", True),), x_end=100)
    rows = lines(plot)
    column = rows[-1].index("◆")
    assert abs(column - (LABEL + 1 + (30 - LABEL - 1) // 2)) <= 1
    assert all(any(ord(cell) > 0x2800 for cell in row[column - 1 : column + 2]) for row in rows[:-1])


def test_the_line_stands_out_of_its_band() -> None:
    plot = Plot((Curve([0, 9], [5.0, 5.0], "line1"),), Band([*range(10)], [0.0] * 10, [10.0] * 10), x_end=9)
    styles = {style for row in draw(plot, 30, 8) for _, style in row}
    assert {"line1", "band"} <= styles
