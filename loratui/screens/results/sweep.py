"""A sweep on the screen: its table and its wall of pictures while the runs go on, and what can be done with it."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from rich.text import Text
from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.widgets import DataTable, Static
from textual.worker import get_current_worker

from loratui.errors import Refusal
from loratui.screens.results.sweep_seen import DRAWN, HELP, Seen, SweepRead, SweepTold, held_words, resumed_words
from loratui.screens.shared.dialogs import show_help
from loratui.screens.shared.editors import LineEditor
from loratui.screens.shared.picture_view import PictureView
from loratui.screens.shared.questions import Confirm, close_unanswered
from loratui.screens.shared.row_table import RowTable
from loratui.screens.shared.steady import SteadyScreen
from loratui.screens.shared.step import OpenRun
from loratui.sweeps.declaration import Sweep
from loratui.sweeps.keeping import keep_as_preset
from loratui.sweeps.points import label
from loratui.sweeps.progress import go_on, goes_on, hold, holds, point_runs, summary
from loratui.sweeps.results import results
from loratui.sweeps.table import left_words, remarks, table_cells
from loratui.sweeps.wall import WallCell, make_wall, prompts
from loratui.terminal.text import safe_text
from loratui.widgets.keyline import KeyLine
from loratui.widgets.sweepgrid import SweepGrid, WallPicture

LOOK = 2.0  # seconds between two looks at the runs


class SweepScreen(SteadyScreen[None]):
    """Looks at the runs in a thread again and again."""

    DEFAULT_CSS = """
    SweepScreen {
        #sweep-head { height: auto; min-height: 2; max-height: 4; padding: 0 1; color: $muted; }
        #sweep-table { height: 1fr; margin: 0 1; background: $background; }
        #sweep-remarks { height: auto; max-height: 6; padding: 0 1; color: $muted; }
        #sweep-wall { display: none; height: 1fr; }
        &.-wall #sweep-wall { display: block; }
        &.-wall #sweep-table, &.-wall #sweep-remarks { display: none; }
        #sweep-say { height: auto; min-height: 1; max-height: 3; padding: 0 1; }
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "open", "Open", key_display="⏎", priority=True),
        Binding("w", "wall", "Wall"),
        Binding("w", "table", "Table"),
        Binding("v", "view", "View"),
        Binding("p", "preset", "Preset"),
        Binding("n", "prompt", "Prompt"),
        Binding("b", "block", "Block"),
        Binding("o", "go_on", "Resume"),
        Binding("z", "hold('pause')", "Pause", show=False),
        Binding("S", "stop", "Stop", show=False),
        Binding("left", "move(0, -1)", show=False),
        Binding("right", "move(0, 1)", show=False),
        Binding("up", "move(-1, 0)", show=False),
        Binding("down", "move(1, 0)", show=False),
        Binding("escape,q", "back", "Back"),
        Binding("f1", "help", "Help"),
    ]

    def __init__(self, sweep: Sweep) -> None:
        super().__init__()
        self._sweep = sweep
        self._seen: Seen | None = None
        self._question: Confirm | None = None
        self._at, self._block, self._prompt = (0, 0), 0, 0

    def compose(self) -> ComposeResult:
        """What it is, the table or the wall, what has to be known, one line that answers, the keys."""
        yield Static("Reading the runs ...", id="sweep-head", markup=False)
        table: RowTable[Text] = RowTable(id="sweep-table")
        yield table
        yield SweepGrid(id="sweep-wall")
        yield Static("", id="sweep-remarks", markup=False)
        yield Static("", id="sweep-say", markup=False)
        yield KeyLine()

    def on_mount(self) -> None:
        """Look now, and again."""
        self.query_one("#sweep-table").focus()
        self._look()
        self.set_interval(LOOK, self._look)

    @work(thread=True, exclusive=True, group="sweep")
    def _look(self) -> None:
        worker = get_current_worker()
        runs = point_runs(self._sweep)
        found = results(self._sweep, runs)
        known = tuple(prompts(found)) or (0,)
        wall = make_wall(found, known[self._prompt % len(known)])
        if not worker.is_cancelled:
            self.post_message(SweepRead(Seen(runs, found, known, wall)))

    @on(SweepRead)
    def _read(self, event: SweepRead) -> None:
        before, self._seen = self._seen, event.seen
        seen = event.seen
        self.query_one("#sweep-head", Static).update(
            f"{self._sweep.name}: {self._sweep.words}\n{summary(seen.runs)}. {left_words(seen.found, seen.runs)}"
        )
        if before is None or before.found != seen.found:
            self._fill(seen)
        self.query_one("#sweep-remarks", Static).update("\n".join(remarks(seen.found)))
        self._show_wall()
        self._close_question(seen)
        self.refresh_bindings()

    def _fill(self, seen: Seen) -> None:
        table = self.query_one("#sweep-table", DataTable)
        at = table.cursor_row
        heads, cells = table_cells(seen.found)
        table.clear(columns=True)
        table.add_columns(*(Text(head, "dim") for head in heads))
        for row, line in zip(seen.found.rows, cells, strict=True):
            style = "bold" if row.mark == "best" else ""
            table.add_row(*(Text(safe_text(cell, 40), style) for cell in line))
        table.move_cursor(row=min(max(at, 0), len(cells) - 1))

    def _show_wall(self) -> None:
        if self._seen is not None and self.has_class("-wall"):
            blocks = self._seen.wall.blocks
            self._block %= len(blocks)
            self.query_one(SweepGrid).show(blocks[self._block], self._at)
            self._say(self._seen.wall.words)

    def _say(self, words: str, style: str = "$muted") -> None:
        self.query_one("#sweep-say", Static).update(Content.styled(safe_text(words, 3 * (self.size.width - 3)), style))

    @on(SweepTold)
    def _told(self, event: SweepTold) -> None:
        self._say(event.words, "$text-error" if event.bad else "$text-success")
        self._look()

    @on(WallPicture.Picked)
    def _picked(self, event: WallPicture.Picked) -> None:
        self._at = (event.row, event.column)
        self._show_wall()

    @property
    def cell(self) -> WallCell | None:
        """What is under the cursor: on the wall its picture, in the table that of the row's first seed."""
        if self._seen is None:
            return None
        if self.has_class("-wall"):
            return self._seen.wall.blocks[self._block].cells[self._at[0]][self._at[1]]
        rows, at = self._seen.found.rows, self.query_one("#sweep-table", DataTable).cursor_row
        number = rows[at].point.number if 0 <= at < len(rows) else 0
        cells = [one for block in self._seen.wall.blocks for row in block.cells for one in row]
        return next((one for one in cells if one.one.point.number == number), None)

    @property
    def _draws(self) -> bool:
        """Whether there are pictures, or will be."""
        return self._seen is None or self._seen.wall.drawn

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Only the keys that mean something now."""
        seen = self._seen
        match action:
            case _ if action in DRAWN and not self._draws:
                return self.has_class("-wall") and action == "table"
            case "view":
                return self.cell is not None and self.cell.large is not None
            case "prompt":
                return seen is not None and len(seen.prompts) > 1
            case "block":
                return seen is not None and len(seen.wall.blocks) > 1 and self.has_class("-wall")
            case "wall" | "table":
                return self.has_class("-wall") is (action == "table")
            case "preset" | "open":
                return self.cell is not None and self.cell.one.run is not None
            case "go_on":
                return seen is not None and any(goes_on(one, again=True) for one in seen.runs)
            case "hold" | "stop":
                command = str(parameters[0]) if parameters else "stop"
                return seen is not None and any(holds(one, command) for one in seen.runs)
            case "move":
                return self.has_class("-wall")  # the table has arrows of its own
        return True

    @on(DataTable.RowSelected)
    def action_open(self) -> None:
        """The run under the cursor: its monitor, from there its files."""
        if (cell := self.cell) is not None and cell.one.run is not None:
            self.post_message(OpenRun(cell.one.run))

    def action_table(self) -> None:
        """From the wall to the table."""
        self.action_wall()

    def action_wall(self) -> None:
        """The wall of pictures, or the table again."""
        self.toggle_class("-wall")
        self.set_focus(None if self.has_class("-wall") else self.query_one("#sweep-table"))
        self._say("")
        self._show_wall()
        self.refresh_bindings()

    def action_move(self, down: int, across: int) -> None:
        """To another picture."""
        if self._seen is not None:
            block = self._seen.wall.blocks[self._block]
            row, column = self._at[0] + down, self._at[1] + across
            self._at = (min(max(row, 0), len(block.rows) - 1), min(max(column, 0), len(block.columns) - 1))
            self._show_wall()
            self.refresh_bindings()

    def action_view(self) -> None:
        """The picture as large as the terminal."""
        cell = self.cell
        if cell is not None and cell.large is not None:
            words = f"{label(self._sweep, cell.one.point)} · {cell.words}"
            self.app.push_screen(PictureView(cell.large, words))

    def action_prompt(self) -> None:
        """Another prompt's pictures."""
        self._prompt += 1
        self._look()

    def action_block(self) -> None:
        """The next places of the axes that lie neither down nor across."""
        self._block += 1
        self._show_wall()

    def action_preset(self) -> None:
        """Keep the settings under the cursor as a preset of your own."""
        cell, seen = self.cell, self._seen
        if cell is None or seen is None:
            return
        number = str(cell.one.point.number)

        def keep(name: str | None) -> None:
            if name is not None:
                self._do(lambda: keep_as_preset(self._sweep, seen.runs, number, name.strip())[0].words)

        words = f"{label(self._sweep, cell.one.point, seed=False)}: its name, such as my-face"
        self.app.push_screen(LineEditor("Keep as a preset of your own", "", words), keep)

    def action_go_on(self) -> None:
        """Go on with what was paused, stopped, or never began; where none of that is left, with what failed."""
        if (seen := self._seen) is not None:
            again = not any(map(goes_on, seen.runs))
            self._do(lambda: resumed_words(go_on(seen.runs, again=again, say=lambda _: None)))

    def action_stop(self) -> None:
        """Stop what trains, after a question; what waits leaves the queue."""
        words = "Runs in training save and end, waiting ones leave the queue. The key o resumes all of them."
        self._question = Confirm("Stop the sweep?", words, "Stop it", "Let it go on", careful=True)
        self.app.push_screen(self._question, self._stop)

    def _close_question(self, seen: Seen) -> None:
        """What is asked of runs that are over meanwhile has no answer any more."""
        is_over = not any(holds(one, "stop") for one in seen.runs)
        if is_over and close_unanswered(self._question):
            self._say(held_words("stop", 0))

    def _stop(self, yes: bool | None) -> None:
        if yes:
            self.action_hold("stop")

    def action_hold(self, command: str) -> None:
        """Pause what trains; what waits leaves the queue."""
        if (seen := self._seen) is not None:
            self._do(lambda: held_words(command, hold(seen.runs, command, say=lambda _: None)))

    @work(thread=True, group="deed")
    def _do(self, deed: Callable[[], str]) -> None:
        try:
            self.post_message(SweepTold(deed()))
        except Refusal as refusal:
            self.post_message(SweepTold(refusal.messages[0], bad=True))

    def action_back(self) -> None:
        """Back; the runs go on."""
        self.dismiss(None)

    def action_help(self) -> None:
        """The keys."""
        show_help(self, "A sweep", HELP, unused=() if self._draws else DRAWN)
