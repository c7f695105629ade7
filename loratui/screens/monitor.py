"""Watch a run: curves, pictures, progress, what happened; and the few commands that a running trainer takes."""

from __future__ import annotations

import time
from typing import ClassVar, Literal

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container
from textual.content import Content
from textual.events import Resize
from textual.screen import Screen
from textual.widgets import Footer, Static

from loratui.history import History, Message
from loratui.screens.dialogs import Confirm, Help, PictureView, Reader
from loratui.screens.queue import QueueScreen
from loratui.screens.queueing import stop_note
from loratui.screens.watching import HELP, STOP_WORDS, head, log_text, state_of, trouble, unstarted
from loratui.text import safe_text
from loratui.widgets import plots
from loratui.widgets.chart import Chart
from loratui.widgets.eventlist import EventList
from loratui.widgets.queueline import QueueLine
from loratui.widgets.samples import Samples
from trainer.contract.control import Cmd, send
from trainer.contract.events import Tail
from trainer.contract.lock import is_held, lock_holder
from trainer.contract.rundir import RunDir

Leaving = Literal["detach", "result"] | RunDir  # a run: watch that one
PULL = 1.0  # seconds between two looks at the run
STARTING = 20.0  # seconds that a trainer may take from its launch to its lock
UNANSWERED = 20.0  # seconds after which a command that nobody took is spoken of


class MonitorScreen(Screen[Leaving]):
    """The run at `run`; leaving it never touches the trainer."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("s", "send('sample')", "Sample"),
        Binding("c", "send('save')", "Checkpoint"),
        Binding("p", "pause", "Pause"),
        Binding("x", "stop", "Stop"),
        Binding("v", "view", "View"),
        Binding("l", "log", "Log"),
        Binding("n", "queue", "Queue"),
        Binding("enter,f2", "result", "Result", key_display="enter"),
        Binding("q,escape", "detach", "Leave", key_display="q"),
        Binding("f1", "help", "Help", show=False),
        Binding("left", "look(-1,0)", show=False),
        Binding("right", "look(1,0)", show=False),
        Binding("up", "look(0,-1)", show=False),
        Binding("down", "look(0,1)", show=False),
    ]

    def __init__(self, run: RunDir) -> None:
        super().__init__()
        self.run_dir = run
        self.history = History()
        self._tail = Tail(run.events)
        self._waiting: dict[str, tuple[str, float]] = {}  # command id -> what was asked, when
        self._opened = time.monotonic()
        self.alive = True
        self._drawn = ""  # the state that the screen shows

    def compose(self) -> ComposeResult:
        """Head, trouble (hidden while there is none), the grid, the keys."""
        yield Static("", id="head", markup=False)
        yield Static("", id="trouble", markup=False)
        with Container(id="grid"):
            yield Chart(id="loss")
            yield Samples(self.run_dir.path, id="samples")
            yield Chart(id="rates")
            with Container(id="events"):
                yield EventList(id="list")
        yield QueueLine(self.run_dir)
        yield Footer(show_command_palette=False)

    def on_mount(self) -> None:
        """Read what is there, then look once a second."""
        self.query_one("#events").border_title = Content("events")
        self.pull()
        self.set_interval(PULL, self.pull)

    @on(Resize)
    def _resized(self) -> None:
        self.query_one("#samples", Samples).set_class(self.size.width >= 110, "-pair")
        self.call_after_refresh(self.draw)

    def pull(self) -> None:
        """Take in what the trainer appended; redraw only if there was something."""
        changed = False
        while events := self._tail.read():
            changed = self.history.absorb(events) or changed
        alive = self._is_alive()
        if alive != self.alive:
            self.alive, changed = alive, True
        if self._settle_commands() or changed or self.state != self._drawn:
            self.draw()

    def _is_alive(self) -> bool:
        if lock_holder(self.run_dir.lock) is not None:
            return True
        if self.run_dir.queued.exists():
            self._opened = float("-inf")  # once its launch is known from its claim, no time is given
            return is_held(self.run_dir.claim)
        # between the launch and the lock lie the first moments of an interpreter, in which it says nothing
        silent = not self.run_dir.log.exists() or self.run_dir.log.stat().st_size == 0
        return silent and not self.history.run and time.monotonic() - self._opened < STARTING

    def _settle_commands(self) -> bool:
        for key in [key for key in self._waiting if key in self.history.acknowledged]:
            del self._waiting[key]
        late = [key for key, (_, sent) in self._waiting.items() if time.monotonic() - sent > UNANSWERED]
        for key in late:
            cmd, _ = self._waiting.pop(key)
            self._say("warn", f"{cmd}: no answer yet; the trainer looks at commands between two steps")
        return bool(late)

    @property
    def state(self) -> str:
        """The run's state in one word."""
        return unstarted(self.run_dir, self.history, self.alive) or state_of(self.history, self.alive)

    def draw(self) -> None:
        """Show the history as it is."""
        history, state = self.history, self.state
        self._drawn = state
        self.query_one("#head", Static).update(head(history, state, self.size.width, self.run_dir.path.name))
        loss, rates = self.query_one("#loss", Chart), self.query_one("#rates", Chart)
        loss.border_title, rates.border_title = plots.loss_title(history), plots.rate_title(history, rates.size.width)
        loss.border_subtitle = plots.legend(history)
        loss.show(plots.loss_plot(history))
        rates.show(plots.rate_plot(history))
        self.query_one("#samples", Samples).show(history)
        self.query_one("#list", EventList).show(history.messages)
        words = trouble(history, state, self.run_dir)
        self.query_one("#trouble", Static).update(words or "")
        self.set_class(words is not None, "-trouble")
        self.set_class(history.end is not None, "-ended")
        self.refresh_bindings()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Only the keys that mean something now."""
        ended = not self.alive
        if action in ("send", "pause", "stop"):
            return not ended
        if action == "result":
            return ended and bool(self.history.samples or self.history.end)
        if action == "queue":
            return self.is_mounted and self.query_one(QueueLine).has_something
        if action == "view":
            return bool(self.history.samples)
        return True

    def action_send(self, cmd: Cmd) -> None:
        """Ask the trainer for something; the answer comes as an event."""
        try:
            key = send(self.run_dir, cmd)
        except OSError as error:
            self._say("bad", f"{cmd}: could not be sent ({error.strerror})")
        else:
            self._waiting[key] = (cmd, time.monotonic())
            self._say("info", f"{cmd}: asked; done after the current step")
        self.draw()

    def action_pause(self) -> None:
        """Pause, or go on."""
        self.action_send("resume" if self.history.paused else "pause")

    def action_stop(self) -> None:
        """Stop after a question that says what stays."""
        words = STOP_WORDS.format(step=self.history.step, steps=self.history.steps) + stop_note(self.run_dir)
        self.app.push_screen(
            Confirm("Stop this run?", words, "Stop and export", "Go on training", careful=True), self._stop
        )

    def _stop(self, yes: bool | None) -> None:
        if yes:
            self.action_send("stop")

    def action_look(self, steps: int, prompts: int) -> None:
        """Another step's or prompt's picture."""
        self.query_one("#samples", Samples).move(steps, prompts)

    def action_view(self) -> None:
        """The picture as large as the terminal."""
        samples = self.query_one("#samples", Samples)
        picture = samples.current
        if picture is not None:
            words = f"step {picture.step} · {safe_text(picture.prompt)}\n{safe_text(picture.path)}"
            self.app.push_screen(PictureView(samples.file(picture, full=True), words))

    def action_log(self) -> None:
        """All messages, and the end of the trainer's own output."""
        self.app.push_screen(Reader("What happened", log_text(self.history, self.run_dir)))

    def action_result(self) -> None:
        """To the files and pictures of the run."""
        self.dismiss("result")

    def action_queue(self) -> None:
        """What trains and what waits; from there to another run's monitor."""
        self.app.push_screen(QueueScreen(self.run_dir.path.parent), self._watch_other)

    def _watch_other(self, run: RunDir | None) -> None:
        if run is not None and run != self.run_dir:
            self.dismiss(run)

    def action_detach(self) -> None:
        """Leave; the trainer goes on."""
        self.dismiss("detach")

    def action_help(self) -> None:
        """The keys."""
        self.app.push_screen(Help("Monitor", HELP, keys=""))

    def _say(self, tone: Literal["info", "good", "warn", "bad"], text: str) -> None:
        self.history.messages.append(Message(time.time(), tone, text))
