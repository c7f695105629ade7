"""Zoom and cursor without a terminal: where one looks, what is drawn there, what is said about it."""

from __future__ import annotations

import pytest

from loratui.events.history import History, Mark
from loratui.widgets.braille import LABEL, AxisMark, Band, Curve, Plot, draw, left_out, x_of
from loratui.widgets.plots import ChartName, plot_of
from loratui.widgets.readings import main_series, place, readings, resolution
from loratui.widgets.zoom import NARROWEST, Zoom
from tests.loratui.events.test_curves import run, step

NAMES: tuple[ChartName, ...] = ("loss", "rates", "gradient", "speed", "memory")


def rows(plot: Plot, width: int = 48, height: int = 10) -> list[str]:
    return ["".join(text for text, _ in row) for row in draw(plot, width, height)]


def test_the_whole_run_is_shown_until_one_zooms() -> None:
    assert Zoom().shown(1000.0, 40) == (0.0, 1000.0)
    assert Zoom().at(40) == 40


def test_zoom_keeps_what_is_under_the_cursor_where_it_is() -> None:
    zoom = Zoom(cursor=250)
    for factor in (2.0, 2.0, 2.0, 0.5):
        before = zoom.shown(1000.0, 600)
        zoom = zoom.closer(factor, 1000.0, 600)
        after = zoom.shown(1000.0, 600)
        assert (after[1] - after[0]) * factor == pytest.approx(before[1] - before[0])
        assert (250 - after[0]) / (after[1] - after[0]) == pytest.approx((250 - before[0]) / (before[1] - before[0]))


def test_zoom_ends_at_a_few_steps_and_at_the_whole_run() -> None:
    zoom = Zoom(cursor=3)
    for _ in range(30):
        zoom = zoom.closer(2.0, 1000.0, 600)
    start, end = zoom.shown(1000.0, 600)
    assert end - start == pytest.approx(NARROWEST) and start <= 3 <= end and start >= 0
    for _ in range(30):
        zoom = zoom.closer(0.5, 1000.0, 600)
    assert zoom.span is None
    assert Zoom(cursor=1).closer(2.0, 1.0, 1).span is None  # a run of one step cannot be looked at more closely


def test_a_zoomed_view_follows_the_newest_step() -> None:
    zoom = Zoom().closer(10.0, 1000.0, 100)
    assert zoom.shown(1000.0, 500)[1] >= 500 and zoom.at(500) == 500
    assert zoom.shown(1000.0, 500)[1] - zoom.shown(1000.0, 500)[0] == pytest.approx(100)


def test_a_view_beyond_the_end_of_a_shorter_run_is_drawn_back() -> None:
    assert Zoom(span=(900.0, 1000.0)).shown(500.0, 450) == (400.0, 500.0)


def test_the_cursor_goes_by_cells_but_never_stands_still() -> None:
    steps = list(range(1, 101))
    assert Zoom(cursor=50).moved(steps, 7.0, 100).cursor == 57
    assert Zoom(cursor=50).moved(steps, 0.1, 100).cursor == 51
    assert Zoom(cursor=50).moved(steps, -0.1, 100).cursor == 49
    assert Zoom(cursor=1).moved(steps, -7.0, 100).cursor == 1
    assert Zoom(cursor=99).moved(steps, 7.0, 100).cursor is None  # on the newest step: it follows from here on
    assert Zoom(cursor=60).moved([1, 32, 64, 96], -0.1, 100).cursor == 32  # from within a stretch to its first step
    assert Zoom(cursor=64).moved([1, 32, 64, 96], -0.1, 100).cursor == 32
    assert Zoom().moved([], 1.0, 0) == Zoom()


def test_the_cursor_jumps_from_mark_to_mark() -> None:
    marks = [0, 250, 500, 500]
    assert Zoom().to_mark(marks, False, 640).cursor == 500
    assert Zoom(cursor=500).to_mark(marks, False, 640).cursor == 250
    assert Zoom(cursor=0).to_mark(marks, True, 640).cursor == 250
    assert Zoom(cursor=0).to_mark(marks, False, 640).cursor == 0
    assert Zoom(cursor=500).to_mark(marks, True, 640).cursor == 500


def test_a_cursor_past_a_resume_comes_back() -> None:
    assert Zoom(cursor=80).at(newest=40) == 40


def test_a_click_is_on_the_step_under_it() -> None:
    plot = Plot(curves=(Curve(range(101), [1.0] * 101, "line1"),), x_end=100)
    width = 48
    for column in range(LABEL + 1, width):
        x = x_of(plot, column, width)
        assert x is not None
        drawn = rows(Plot(plot.curves, x_end=100, cursor=x), width)
        assert drawn[-1][column] == "┴"
        assert all(ord(row[column]) > 0x2800 for row in drawn[:-1])
    assert x_of(plot, LABEL, width) is None and x_of(plot, width, width) is None


def test_a_window_scales_to_what_is_in_it_and_joins_its_edges() -> None:
    xs = list(range(0, 101, 10))
    plot = Plot(curves=(Curve(xs, [float(x) for x in xs], "line1", every=10),), x_start=41, x_end=49)
    drawn = rows(plot)
    assert drawn[0].rstrip()[-1] not in " │"  # between two points the line goes from edge to edge
    assert drawn[-2][LABEL + 1] != " "
    labels = {float(row[:LABEL]) for row in drawn if row[:LABEL].strip()}
    assert labels and all(41 <= one <= 49 for one in labels)


def test_missing_steps_are_a_gap_in_the_line() -> None:
    xs = [*range(0, 20), *range(60, 80)]
    plot = Plot(curves=(Curve(xs, [5.0] * 40, "line1", every=1),), x_end=79)
    (line,) = [row for row in rows(plot) if any(ord(cell) > 0x2800 for cell in row[LABEL + 1 :])]
    assert line[LABEL + 1 :][16:26].strip() == ""
    inside = Plot(curves=plot.curves, x_start=30, x_end=40, empty="nothing here")
    assert "nothing here" in "".join(rows(inside))
    joined = Plot(curves=(Curve(xs, [5.0] * 40, "line1"),), x_end=79)
    (line,) = [row for row in rows(joined) if any(ord(cell) > 0x2800 for cell in row[LABEL + 1 :])]
    assert " " not in line[LABEL + 1 :]


def test_marks_and_band_outside_the_window_are_not_drawn() -> None:
    marks = (AxisMark(10, "▲", "mark"), AxisMark(50, "◆", "mark", line=True))
    band = Band(range(100), [0.0] * 100, [1000.0 if x < 20 else 1.0 for x in range(100)])
    plot = Plot((Curve(range(100), [0.5] * 100, "line1"),), band, marks, x_start=40, x_end=60)
    drawn = rows(plot)
    assert "▲" not in drawn[-1] and "◆" in drawn[-1]
    assert max(float(row[:LABEL]) for row in drawn if row[:LABEL].strip()) <= 1.0


def test_a_log_axis_says_what_it_leaves_out() -> None:
    curve = Curve([0, 1, 2, 3], [0.0, -1.0, 10.0, None], "line1")
    assert left_out(Plot((curve,), x_end=3, log=True)) == 2
    assert left_out(Plot((curve,), x_end=3)) == 0
    assert left_out(Plot((curve,), x_start=2, x_end=3, log=True)) == 0
    assert "2 at or below 0 not shown" in resolution(Plot((curve,), x_end=3, log=True), 1, 60)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("count", [0, 1, 2, 300])
def test_every_chart_draws_any_number_of_steps(name: ChartName, count: int) -> None:
    history = History()
    rates = {"unet": {"d": 1e-6, "effective": 1e-6}}
    history.absorb([run(1), *(step(n, rates=rates) for n in range(1, count + 1))])
    plot = plot_of(history, name)
    for log in (False, True):
        for start, end in ((0.0, plot.x_end), (0.2, 0.4)):
            drawn = rows(Plot(plot.curves, plot.band, plot.marks, end, log, plot.empty, start, cursor=count))
            assert [len(row) for row in drawn] == [48] * 10
    assert len(main_series(history, name)) == count
    readings(history, name, count)
    place(history, [], count, 1)


def test_the_drawing_does_not_cost_more_for_a_longer_run() -> None:
    """Counted: how many points are handed to the drawing, which looks at each once."""
    counts = []
    for steps in (2_000, 20_000):
        history = History()
        history.absorb([run(steps), *(step(n) for n in range(1, steps + 1))])
        plot = plot_of(history, "gradient")
        assert plot.band is not None
        counts.append(len(plot.curves[0].xs) + len(plot.band.xs))
    assert max(counts) <= 2 * 1024


def test_the_words_under_a_cursor_name_the_stretch_and_its_range() -> None:
    history = History()
    history.absorb([run(4096), *(step(n, grad_norm=float(n), loss=n / 4096) for n in range(1, 4096))])
    stride = history.curves.grad_norm.stride
    assert stride == 4
    words = readings(history, "gradient", 102).plain
    assert "gradient norm 103 (100 to 103)" in words
    assert "loss 0.0251 (0.0244 to 0.0251)" in words
    assert "a step 0.50 s" in words and "its pictures 10 ms" in words and "memory 8 GB" in words
    assert place(history, [], 102, stride).plain == "steps 100 to 103 of 4096"
    assert place(history, [], 0, stride).plain == "steps 0 to 3 of 4096"
    near = [Mark("pivot", 101), Mark("sample", 96)]
    assert place(history, near, 102, stride).plain.endswith("   ◆ pivot   ○ sample 96")
    assert "one point kept for each 4 steps: no finer detail" in resolution(Plot(x_end=8.0), stride, 80)
    assert "each dot 28 steps" in resolution(Plot(x_end=4096.0), stride, 80)
    assert "every step has its dot" in resolution(Plot(x_end=100.0), 1, 80)


def test_a_group_that_has_ended_has_no_value_after_it() -> None:
    history = History()
    both = {"unet": {"d": 1e-5, "effective": 9e-6}, "tokens": {"d": 1e-5, "effective": 2e-5}}
    history.absorb(
        [run(), *(step(n, rates=both) for n in (1, 2)), *(step(n, rates={"unet": both["unet"]}) for n in (3,))]
    )
    assert readings(history, "rates", 2).plain.endswith("unet rate 9.0e-6 d 1.0e-5   tokens rate 2.0e-5 d 1.0e-5")
    assert readings(history, "rates", 3).plain.endswith("unet rate 9.0e-6 d 1.0e-5   tokens rate - d -")
