"""Watch a run: curves, pictures, progress, what happened; and the few commands that a running trainer takes."""

from __future__ import annotations

import time
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container, Vertical
from textual.content import Content
from textual.widgets import Static

from loratui.events.history import History, Message
from loratui.events.insight_lines import settings_of
from loratui.events.insights import new_insights
from loratui.events.long_log import LongLogTail
from loratui.runs.possible import Possible, possible
from loratui.runs.states import STATES, StateName
from loratui.screens.monitor.gallery import GalleryScreen
from loratui.screens.monitor.gpu import GpuWatch
from loratui.screens.monitor.insight_panel import insight_lines, insight_text
from loratui.screens.monitor.queue import QueueScreen
from loratui.screens.monitor.requests import ASKED, DRAWING, RequestsScreen
from loratui.screens.monitor.run_figures import RunFigures
from loratui.screens.monitor.run_words import HELP, UNBEGUN, head, is_paused, log_text, messages_of_start, trouble
from loratui.screens.monitor.telling import Telling
from loratui.screens.shared.dialogs import Reader, show_help
from loratui.widgets import plots
from loratui.widgets.chart import Chart
from loratui.widgets.eventlist import EventList
from loratui.widgets.keyline import KeyLine
from loratui.widgets.queueline import QueueLine
from loratui.widgets.samples import NOT_YET, Samples
from trainer.contract.run.rundir import RunDir
from trainer.contract.settings.tracking import NO_SAMPLES

PULL = 1.0  # seconds between two looks at the run
PIECE = 1 << 21  # bytes read at a time, about 6,000 steps: keys are answered while a long log is read
BREATH = 0.01  # seconds between two pieces
ALL_CHARTS = (170, 48)  # cells from which on all charts have room
CHARTS: tuple[plots.ChartName, ...] = ("loss", "rates", "gradient", "speed", "memory")


class MonitorScreen(RequestsScreen):
    """The run at `run`; leaving it never touches the trainer."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("s", "sample", "Sample"),
        Binding("c", "send('save')", "Save"),
        Binding("p", "pause", "Pause"),
        Binding("p", "unpause", "Resume"),
        Binding("x", "stop", "Stop"),
        Binding("a", "add", "Prompt", show=False),
        Binding("X", "abort", "Abort", show=False),
        Binding("f", "fix", "Fix"),
        Binding("o", "go_on", "Resume"),
        Binding("o", "begin", "Start"),
        Binding("enter,f2", "result", "Result", key_display="enter"),
        Binding("enter,f2", "ahead('fix')", "Fix", show=False),
        Binding("enter,f2", "ahead('go_on')", "Resume", show=False),
        Binding("enter,f2", "ahead('begin')", "Start", show=False),
        Binding("v", "view", "View"),
        Binding("g", "graphs", "Graphs"),
        Binding("w", "wall", "Wall", show=False),
        Binding("l", "log", "Log"),
        Binding("n", "queue", "Queue", show=False),
        Binding("f1", "help", "Help"),
        Binding("escape", "back", "Back", show=False),
        Binding("q,escape", "detach", "Leave", key_display="q"),
        Binding("r", "lower", "Other chart", show=False),
        Binding("left", "look(-1,0)", show=False),
        Binding("right", "look(1,0)", show=False),
        Binding("up", "look(0,-1)", show=False),
        Binding("down", "look(0,1)", show=False),
    ]

    def __init__(self, run: RunDir, started: int = 0, within: bool = False) -> None:
        super().__init__(run, started, within)
        self._tail = LongLogTail(run.events)
        self._learner = RunFigures(self, run)
        self._telling = Telling(run.path.name)
        self._lower: plots.ChartName = "rates"  # the chart below the loss, where not all have room
        self._behind = False  # whether there is more of the log than was read yet
        self._drawn = 0.0  # monotonic seconds
        self._said: set[str] = set()  # codes of what was said of this start
        self._gpu = GpuWatch(self, "#events")
        self._start = self.history.run
        self._state: StateName | None = None  # that the screen shows

    def compose(self) -> ComposeResult:
        """Head, trouble (hidden while there is none), the grid, the keys."""
        yield Static("", id="head", markup=False)
        with Vertical(id="trouble"):
            yield Static("", id="went-wrong", markup=False)
            yield Static("", id="ways", markup=False)
        yield Static("", id="matters", markup=False)
        with Container(id="grid"):
            yield Chart(id="loss")
            yield Samples(self.run_dir.path, id="samples")
            for name in CHARTS[1:]:
                yield Chart(id=name, classes="under")
            with Container(id="events"):
                yield EventList(id="list")
        yield QueueLine(self.run_dir)
        yield KeyLine()

    def on_mount(self) -> None:
        """Read what is there, then look once a second."""
        self._read_settings()
        self.query_one("#events").border_title = Content("events")
        self.pull()
        self.set_interval(PULL, self._look)

    def _read_settings(self) -> None:
        self.config = settings_of(self.run_dir)
        self.query_one("#samples", Samples).nothing = NOT_YET if self.draws else NO_SAMPLES

    def _look(self) -> None:
        if not self._behind:
            self.pull()

    def resized(self) -> None:
        """Show as many charts and pictures as have room now."""
        self.set_class(self.size.width >= ALL_CHARTS[0] and self.size.height >= ALL_CHARTS[1], "-all-charts")
        self.query_one("#samples", Samples).set_class(self.size.width >= 110, "-pair")
        self.call_after_refresh(self.draw)

    def pull(self) -> None:
        """Take in what the trainer appended, a piece at a time; redraw only if there was something."""
        caught_up = self._behind
        changed = self.history.absorb(self._tail.read(PIECE))
        read = self._tail.read_part
        self._behind = read < 1
        if self._behind:
            self.set_timer(BREATH, self.pull)  # call_later would give keys and paint no turn
            if time.monotonic() - self._drawn < PULL:
                return
        self._learner.look(self.history)
        if not self._behind:
            changed = self._settle_restart() or changed
        alive = self._live.look(self.history) or self._restart is not None
        self._gpu.look(self._live.holder)
        if alive != self.alive:
            self.alive, changed = alive, True
        self._renew_question(changed)
        if self._settle_commands() or changed or caught_up or self.state != self._state:
            if not self._behind:
                self._say_what_matters()
            words = f"reading the log: {100 * read:.0f} %" if self._behind else "events"
            self.query_one("#events").border_title = Content(words)
            self.draw()

    def draw(self) -> None:
        """Show the history as it is."""
        history, state = self.history, self.state
        if state != self._state:
            self._now = Possible(state) if STATES[state].alive else possible(self.run_dir, state)
        self._drawn, self._state = time.monotonic(), state
        self.query_one("#head", Static).update(
            head(history, state, self.size.width, self.run_dir.path.name, self._live.note)
        )
        self._draw_charts()
        self.set_class(not self.has_pictures, "-bare")
        self.query_one("#samples", Samples).show(history)
        self.query_one("#list", EventList).show(messages_of_start(history, state))
        wrong = trouble(history, state, self.run_dir, max(20, self.size.width - 6))
        self.query_one("#went-wrong", Static).update(wrong.said if wrong else "")
        self.query_one("#ways", Static).update(wrong.ways if wrong else "")
        self.set_class(wrong is not None, "-trouble")
        matters = UNBEGUN if state == "new" else insight_lines(history, self.config, self.size.width)
        self.query_one("#matters", Static).update(matters or "")
        self.set_class(matters is not None and wrong is None, "-matters")
        self.set_class(history.end is not None and not self.alive, "-ended")
        self.refresh_bindings()
        if not self._behind:
            self._telling.tell(self.app, history, state)

    def on_unmount(self) -> None:
        """The terminal's title is its own again."""
        self._telling.leave(self.app)

    def _draw_charts(self) -> None:
        # of a trainer that says nothing yet, what there is to see is of the start before
        history, seen = History() if self.state == "starting" else self.history, self.charts_seen
        for name in CHARTS:
            chart = self.query_one(f"#{name}", Chart)
            chart.set_class(name not in seen, "-hidden")
            if name in seen:
                chart.border_title = plots.title_of(history, name, chart.size.width)
                chart.border_subtitle = plots.legend(history) if name == "loss" else Content("")
                chart.show(plots.plot_of(history, name))
        if len(seen) < len(CHARTS):
            self.query_one(f"#{seen[-1]}", Chart).border_subtitle = Content(f"r: {plots.WORDS[self._next_lower()]}")

    @property
    def charts_seen(self) -> tuple[plots.ChartName, ...]:
        """The charts that have room, from the top; `r` changes the last unless it is all of them."""
        if self.has_class("-all-charts"):
            return CHARTS
        if self.has_class("-wide") and self.has_class("-tall"):
            return ("loss", "rates", "gradient" if self._lower == "rates" else self._lower)
        return ("loss", self._lower)

    def _next_lower(self) -> plots.ChartName:
        seen = self.charts_seen
        free = [name for name in CHARTS if name not in seen[:-1]]
        return free[(free.index(seen[-1]) + 1) % len(free)]

    def _say_what_matters(self) -> None:
        """Each insight once in the list of what happened; again if the run starts again."""
        history = self.history
        if history.run is not self._start:
            self._start = history.run
            self._read_settings()  # a person may have changed them before this start
            self._said.clear()
        for one in new_insights(history, self._said, self.config):
            self._said.add(one.code)
            history.messages.append(Message(history.now, one.tone, one.text))

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Only the keys that mean something now."""
        ended = not self.alive
        if action in ASKED:
            if action in ("sample", "add") and not self.draws:
                return False
            other = {"pause": True, "unpause": False}.get(action)  # one key, called what it does now
            return not ended and self._restart is None and is_paused(self.history, self.state) is not other
        if action == "back":
            return self._within  # else Escape leaves
        if action in ("go_on", "begin"):
            return self._now.goes_on_by(action)
        if action == "fix":
            return self._now.can("fix")
        if action == "result":
            return ended and self._now.has_result
        if action == "ahead":
            return ended and not self._now.has_result and self.check_action(str(parameters[0]), ())
        if action == "lower":
            squeezed = self.has_class("-trouble") and self.has_class("-short")  # the loss alone has room
            return len(self.charts_seen) < len(CHARTS) and not squeezed
        if action == "queue":
            return self.is_mounted and self.query_one(QueueLine).has_something
        if action in ("view", "wall"):
            return bool(self.history.samples)
        return True

    def action_look(self, steps: int, prompts: int) -> None:
        """Another step's or prompt's picture."""
        self.query_one("#samples", Samples).move(steps, prompts)

    def action_view(self) -> None:
        """The picture as large as the terminal; from there to all others."""
        self.app.push_screen(GalleryScreen(self.run_dir.path, self.history, *self.query_one("#samples", Samples).place))

    def action_wall(self) -> None:
        """All pictures, by prompt and step."""
        self.app.push_screen(GalleryScreen(self.run_dir.path, self.history, wall=True))

    def action_lower(self) -> None:
        """Another chart in the last place."""
        self._lower = self._next_lower()
        self.draw()
        self.call_after_refresh(self.draw)  # a title is cut to a width that is only known then

    def action_graphs(self, name: plots.ChartName = "loss") -> None:
        """One chart full screen."""
        from loratui.screens.monitor.chart import ChartView

        self.app.push_screen(ChartView(self.history, name))

    @on(Chart.Pointed)
    def _pointed(self, event: Chart.Pointed) -> None:
        self.action_graphs(next(name for name in CHARTS if name == event.chart.id))

    def action_log(self) -> None:
        """What matters, all messages, and the end of the trainer's own output."""
        words = insight_text(self.history, self.config)
        self.app.push_screen(Reader("What happened", Content.assemble(words, log_text(self.history, self.run_dir))))

    def action_result(self) -> None:
        """To the files and pictures of the run."""
        self.dismiss("result")

    def action_queue(self) -> None:
        """What trains and what waits; from there to another run's monitor."""
        self.app.push_screen(QueueScreen(self.run_dir.path.parent), self._watch_other)

    def _watch_other(self, run: RunDir | None) -> None:
        if run is not None and run != self.run_dir:
            self.dismiss(run)

    def action_help(self) -> None:
        """The keys."""
        show_help(self, "Monitor", HELP, unused=() if self.has_pictures else (*DRAWING, "look"))
