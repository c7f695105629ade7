"""The queue of a folder: what trains there, what waits, and the keys that order and cancel."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.message import Message
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from loratui.errors import Refusal
from loratui.runs import queue as queueing
from loratui.screens.monitor.queue_rows import QueueRow, row_line, row_more, rows_of
from loratui.screens.shared.dialogs import Help
from loratui.screens.shared.questions import Confirm
from loratui.screens.shared.steady import SteadyScreen
from loratui.terminal.text import safe_text, show_path
from loratui.widgets.keyline import KeyLine
from trainer.contract.run.rundir import RunDir

LOOK = 1.0  # seconds between two looks at the folder
HELP = """
Runs that wait start one after the other, each as soon as a GPU is free for
it, whether anybody watches or not: the trainer that ends starts the next one. After
a kill or a power cut the queue goes on when loratui looks at the runs.

  enter    watch the run
  f        first: start it next
  u, d     earlier, later; shift+↑ and shift+↓ too
  c        cancel: take it out, here or of Slurm; its folder and answers stay
  r        retry a run that did not start
  q        back; the queue goes on
"""


class QueueScreen(SteadyScreen[RunDir | None]):
    """Answers with the run to watch, or None."""

    DEFAULT_CSS = """
    QueueScreen {
        #queue-head { height: 1; padding: 0 1; }
        #queue-list { height: 1fr; }
        #queue-more { height: 5; padding: 0 2; color: $muted; }
        #queue-say { height: auto; min-height: 1; max-height: 4; padding: 0 1; }
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "watch", "Watch", show=False),  # the list takes the key: its border says what it does
        Binding("f", "move(0)", "First"),
        Binding("u,shift+up", "move(-1)", "Earlier", key_display="u"),
        Binding("d,shift+down", "move(1)", "Later", key_display="d"),
        Binding("c,delete", "cancel", "Cancel", key_display="c"),
        Binding("r", "retry", "Retry"),
        Binding("q,escape", "back", "Back", key_display="q"),
        Binding("f1", "help", "Help"),
    ]

    class Looked(Message):
        """The folder was looked at; `started` left the queue for a GPU."""

        def __init__(self, rows: list[QueueRow], started: list[RunDir]) -> None:
            super().__init__()
            self.rows, self.started = rows, started

    def __init__(self, root: Path) -> None:
        super().__init__()
        self.root = root
        self.rows: list[QueueRow] | None = None
        self._looking = False
        self._width = 0  # cells for which the rows were laid out
        self._means: tuple[bool, ...] = ()  # which keys mean something for the row under the cursor

    def compose(self) -> ComposeResult:
        """How many, the list, the run under the cursor, an answer, the keys."""
        yield Static("", id="queue-head", markup=False)
        yield OptionList(id="queue-list", compact=True)
        yield Static("", id="queue-more", markup=False)
        yield Static("", id="queue-say", markup=False)
        yield KeyLine()

    def on_mount(self) -> None:
        """Look now, then every second."""
        listed = self.query_one("#queue-list")
        listed.border_title, listed.border_subtitle = Content("queue"), Content("Enter watches")
        listed.focus()
        self._look()
        self.set_interval(LOOK, self._look)

    def resized(self) -> None:
        """Lay the rows out for the room that there is now."""
        if self.rows is not None:
            self._show(self.rows)

    def _look(self) -> None:
        if not self._looking:
            self._looking = True
            self.look()

    @work(thread=True, group="queue")
    def look(self) -> None:
        """Start what has a free GPU, and read the folder: may ask nvidia-smi."""
        started = queueing.take_up(self.root, settle=False)
        self.post_message(self.Looked(rows_of(self.root), started))

    @on(Looked)
    def _looked(self, event: Looked) -> None:
        self._looking = False
        self._show(event.rows)
        for run in event.started:
            self._say(f"✓ {safe_text(run.path.name)} starts now", "$text-success")

    def _show(self, rows: list[QueueRow], at: RunDir | None = None) -> None:
        """Draw the list; the cursor stays on its run, or goes to that of `at`."""
        kept = at or (self.chosen.run if self.chosen else None)
        if rows != self.rows or self.size.width != self._width:
            self.rows, self._width = rows, self.size.width
            listed = self.query_one("#queue-list", OptionList)
            listed.set_options([Option(row_line(row, self._width - 4)) for row in rows])
            runs = [row.run for row in rows]
            listed.highlighted = (runs.index(kept) if kept in runs else 0) if rows else None
        waits, slurm = sum(row.place > 0 for row in rows), sum(row.in_slurm for row in rows)
        states = [row.info.state for row in rows if not row.place and not row.in_slurm]
        parts = [f"{states.count(one)} {one}" for one in dict.fromkeys(states)] or ["nothing trains"]
        parts += [f"{waits} waiting", *([f"{slurm} in Slurm"] if slurm else [])]
        words = " · ".join(parts) if rows else "nothing trains, nothing waits"
        head = Content.assemble(("Queue  ", "bold"), (f"{words} · {show_path(self.root)}", "$muted"))
        self.query_one("#queue-head", Static).update(head)
        self._show_more()

    @property
    def chosen(self) -> QueueRow | None:
        """The row under the cursor."""
        at = self.query_one("#queue-list", OptionList).highlighted
        return self.rows[at] if self.rows and at is not None and at < len(self.rows) else None

    @on(OptionList.OptionHighlighted)
    def _show_more(self) -> None:
        row = self.chosen
        self.query_one("#queue-more", Static).update(row_more(row, self.size.width - 6))
        means = (row is not None, row is not None and row.place > 0, row is not None and (row.stuck or row.in_slurm))
        if means != self._means:  # the footer is made anew by this: not every second
            self._means = means
            self.refresh_bindings()

    @on(OptionList.OptionSelected)
    def _entered(self) -> None:
        self.action_watch()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Only what waits can be moved or cancelled; Slurm orders what waits there."""
        row = self.chosen
        if action in ("move", "cancel"):
            return row is not None and (row.place > 0 or (row.in_slurm and action == "cancel"))
        if action == "retry":
            return row is not None and row.stuck
        return row is not None if action == "watch" else True

    def action_watch(self) -> None:
        """Leave for the monitor of the run under the cursor."""
        if self.chosen is not None:
            self.dismiss(self.chosen.run)

    def action_move(self, by: int) -> None:
        """Its place in the queue: the first, one earlier, one later."""
        row = self.chosen
        if row is None or not row.place:
            return
        place = max(1, row.place + by) if by else 1
        self._change(row.run, lambda: queueing.move(row.run, place), "")

    def action_retry(self) -> None:
        """Put a run that came to nothing too often at the end of the queue, to be tried again."""
        row = self.chosen
        if row is not None and row.waits is not None and row.stuck:
            gpus = row.waits.entry.gpus
            self._change(row.run, lambda: queueing.put_in(row.run, gpus), "it is tried again")

    def action_cancel(self) -> None:
        """Take the run out of the queue, here or in Slurm, after a question."""
        row = self.chosen
        if row is None or not (row.place or row.in_slurm):
            return
        name = safe_text(row.run.path.name)
        words = (
            f"{name} leaves the queue and will not start.\n\nIts folder stays, with the answers and whatever was made. "
            f"'loratui queue add' puts it back, 'loratui resume' starts it."
        )

        def answer(yes: bool | None) -> None:
            if yes:
                self._change(row.run, lambda: queueing.cancel(row.run), f"{name} is out of the queue; its folder stays")

        self.app.push_screen(Confirm("Take it out of the queue?", words, "Take it out", "Let it wait", True), answer)

    def _change(self, run: RunDir, change: Callable[[], None], done: str) -> None:
        try:
            change()
        except Refusal as refusal:
            self._say(f"✗ {safe_text(refusal)}", "$text-error")
        else:
            self._say(done)
        self._show(rows_of(self.root), at=run)

    def _say(self, words: str, style: str = "$muted") -> None:
        self.query_one("#queue-say", Static).update(Content.styled(words, style))

    def action_back(self) -> None:
        """Leave; the queue goes on."""
        self.dismiss(None)

    def action_help(self) -> None:
        """The keys."""
        self.app.push_screen(Help("Queue", HELP, keys=""))
