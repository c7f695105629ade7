"""One chart of a run, full screen: a cursor with the values under it, zoom, linear or log, live as the run goes on."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar, cast, get_args

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.events import MouseScrollDown, MouseScrollUp
from textual.widgets import Static

from loratui.events.history import History, Mark
from loratui.screens.shared.dialogs import Help
from loratui.screens.shared.steady import SteadyScreen
from loratui.widgets import plots
from loratui.widgets.braille import Plot, x_step
from loratui.widgets.chart import Chart
from loratui.widgets.keyline import KeyLine
from loratui.widgets.plots import ChartName
from loratui.widgets.readings import main_series, place, readings, resolution
from loratui.widgets.zoom import Zoom

NAMES = cast(tuple[ChartName, ...], get_args(ChartName))
LOOK = 1.0  # seconds between two looks at the history
STRIDE = 10  # cells that shift and an arrow go
HELP = """
One curve of the run at a time, with the values under the cursor.

  1 to 5      the charts by number: loss, rate, gradient norm, speed, memory
  Tab         the next chart
  ← →         the cursor; with Shift ten times as far
  ↑ ↓         the marks: the cursor to the next, or to the one before
  end         the cursor to the newest step, and on with the run
  + -         zoom in at the cursor, zoom out; also the mouse wheel
  0, home     the whole run
  y           linear or log; a log axis cannot show zero and less
  q, escape   back to the run

A long run is kept as 1,024 stretches of steps, each with its lowest, highest
and last value: the line under the chart says how long they are.
◆ pivot: the words are frozen   ▲ checkpoint   ○ sample pictures"""


class ChartView(SteadyScreen[None]):
    """Draws from the history of a monitor, which goes on reading the run below."""

    DEFAULT_CSS = """
    ChartView {
        & #tabs { height: 1; padding: 0 1; }
        & #chart { height: 1fr; }
        & #under { height: auto; padding: 0 1; }
        & #fine { height: 1; padding: 0 1; color: $muted; }
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        *(
            Binding(str(place + 1), f"chart('{name}')", f"Chart {place + 1}", show=False)
            for place, name in enumerate(NAMES)
        ),
        Binding("tab", "next(1)", "Next", key_display="tab"),
        Binding("shift+tab", "next(-1)", show=False),
        Binding("left", "move(-1)", show=False),
        Binding("right", "move(1)", "Cursor", key_display="←→"),
        Binding("shift+left,pageup", f"move(-{STRIDE})", show=False),
        Binding("shift+right,pagedown", f"move({STRIDE})", show=False),
        Binding("up", "mark(True)", "Marks", key_display="↑↓"),
        Binding("down", "mark(False)", show=False),
        Binding("end", "newest", "Newest", show=False),
        Binding("plus,equals_sign", "zoom(2.0)", "Zoom", key_display="+-"),
        Binding("minus,underscore", "zoom(0.5)", "Zoom out", show=False),
        Binding("0,home", "whole", "Whole", key_display="0"),
        Binding("y,L", "log", "Log", key_display="y"),
        Binding("q,escape,g,enter", "close", "Back", key_display="q"),
        Binding("f1", "help", "Help", show=False),
    ]

    def __init__(self, history: History, name: ChartName = "loss") -> None:
        super().__init__()
        self._history, self._chart = history, name
        self.zoom = Zoom()
        self._axes: dict[ChartName, bool] = {}  # log or not, where it was chosen
        self._seen: tuple[float, int, int] | None = None

    def compose(self) -> ComposeResult:
        """Which chart, the chart, what is under the cursor, how fine it is, the keys."""
        yield Static("", id="tabs", markup=False)
        yield Chart(id="chart")
        yield Static("", id="under", markup=False)
        yield Static("", id="fine", markup=False)
        yield KeyLine()

    def on_mount(self) -> None:
        """Draw, then look whether there is more once a second."""
        self.set_interval(LOOK, self._look)

    def resized(self) -> None:
        """Draw the chart for the room that there is now."""
        self.call_after_refresh(self.draw)

    def _look(self) -> None:
        seen = (self._history.now, self._history.step, len(self._history.marks))
        if seen != self._seen:
            self._seen = seen
            self.draw()

    @property
    def chart(self) -> ChartName:
        """The chart that is shown."""
        return self._chart

    @property
    def cursor(self) -> int:
        """The cursor's step."""
        return self.zoom.at(self._history.step)

    def plot(self) -> Plot:
        """The chart as it is looked at."""
        plot = plots.plot_of(self._history, self._chart)
        start, end = self.zoom.shown(plot.x_end, self._history.step)
        log = self._axes.get(self._chart, plot.log)
        empty = (
            plot.empty
            if not self._values
            else "nothing here that this axis can show: 0 for the whole run, y for linear"
        )
        return replace(plot, x_start=start, x_end=end, cursor=float(self.cursor), log=log, empty=empty)

    @property
    def _values(self) -> int:
        return len(main_series(self._history, self._chart))

    def draw(self) -> None:
        """Show the history as it is."""
        history, chart, plot = self._history, self.query_one("#chart", Chart), self.plot()
        stride = main_series(history, self._chart).stride
        chart.border_title = plots.title_of(history, self._chart, chart.size.width)
        chart.border_subtitle = plots.legend(history)
        chart.show(plot)
        marks = self._marks_under(plot, stride, chart.size.width)
        under = [place(history, marks, self.cursor, stride), readings(history, self._chart, self.cursor)]
        self.query_one("#tabs", Static).update(self._tabs())
        self.query_one("#under", Static).update(Content("\n").join(under))
        self.query_one("#fine", Static).update(resolution(plot, stride, chart.size.width))

    def _tabs(self) -> Content:
        shown = []
        for number, name in enumerate(NAMES, 1):
            words = f"{number} {plots.WORDS[name]}"
            here = name == self._chart
            shown.append(
                Content.styled(f"[{words}]" if here else f" {words} ", "bold $text-accent" if here else "$muted")
            )
        return Content(" ").join(shown)

    def _marks_under(self, plot: Plot, stride: int, width: int) -> list[Mark]:
        """The marks in the cursor's stretch of steps or in its cell of the axis, one of a kind."""
        near = max(stride - 1, x_step(plot, width) / 2)
        close = sorted(self._history.marks, key=lambda mark: -abs(mark.step - self.cursor))
        found = {mark.kind: mark for mark in close if abs(mark.step - self.cursor) <= near}
        return list(found.values())

    def action_chart(self, name: ChartName) -> None:
        """Another chart; cursor and zoom stay."""
        self._chart = name
        self.draw()

    def action_next(self, by: int) -> None:
        """The next chart, or the one before."""
        self.action_chart(NAMES[(NAMES.index(self._chart) + by) % len(NAMES)])

    def action_move(self, cells: int) -> None:
        """The cursor along the values, a cell of the axis at a time."""
        by = cells * x_step(self.plot(), self.query_one("#chart", Chart).size.width)
        steps = main_series(self._history, self._chart).steps
        self._look_at(self.zoom.moved(steps, by, self._history.step))

    def action_mark(self, forward: bool) -> None:
        """The cursor to the next mark, or to the one before."""
        marks = [mark.step for mark in self._history.marks]
        self._look_at(self.zoom.to_mark(marks, forward, self._history.step))

    def action_newest(self) -> None:
        """The cursor to the newest step; it stays there while the run goes on."""
        self._look_at(replace(self.zoom, cursor=None))

    def action_zoom(self, factor: float) -> None:
        """Closer to the cursor, or farther away."""
        self._look_at(self.zoom.closer(factor, plots.plot_of(self._history, self._chart).x_end, self._history.step))

    def action_whole(self) -> None:
        """The whole run."""
        self._look_at(replace(self.zoom, span=None))

    def action_log(self) -> None:
        """Linear, or log."""
        self._axes[self._chart] = not self.plot().log
        self.draw()

    def on_mouse_scroll_up(self, event: MouseScrollUp) -> None:
        """Closer."""
        self.action_zoom(2.0)

    def on_mouse_scroll_down(self, event: MouseScrollDown) -> None:
        """Farther."""
        self.action_zoom(0.5)

    @on(Chart.Pointed)
    def _pointed(self, event: Chart.Pointed) -> None:
        if event.x is not None:
            self._look_at(self.zoom.put(event.x, self._history.step))

    def _look_at(self, zoom: Zoom) -> None:
        span = zoom.span
        if span is not None:  # the stretch goes where the cursor goes, and stays there
            span = zoom.shown(plots.plot_of(self._history, self._chart).x_end, self._history.step)
        self.zoom = replace(zoom, span=span)
        self.draw()

    def action_close(self) -> None:
        """Back to the run."""
        self.dismiss(None)

    def action_help(self) -> None:
        """The keys."""
        self.app.push_screen(Help("Graphs", HELP, keys=""))
