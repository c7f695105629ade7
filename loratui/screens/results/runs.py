"""All runs of a folder: look at one, open its answers as a new draft, compare two."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from rich.text import Text
from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.coordinate import Coordinate
from textual.message import Message
from textual.widgets import DataTable, Static
from textual.worker import get_current_worker

from loratui.runs.find import RunInfo, link_trouble, run_info
from loratui.runs.keeping import read_note
from loratui.runs.listing import each_run
from loratui.runs.past_run import PastRun
from loratui.runs.place import runs_trouble
from loratui.runs.possible import Possible, possible
from loratui.screens.results.keeping import RunKept
from loratui.screens.results.run_deeds import RunDeeds
from loratui.screens.results.run_rows import HELP, NUMBERS, run_cells, run_columns
from loratui.screens.shared.dialogs import Help
from loratui.screens.shared.row_table import RowTable
from loratui.screens.shared.step import Watch
from loratui.terminal.glyphs import glyph_of
from loratui.terminal.text import plural, safe_text, show_path
from loratui.widgets.keyline import KeyLine
from trainer.contract.run.lock import is_held
from trainer.contract.run.rundir import RunDir

BATCH = 25  # runs between two messages of the worker
LOOK = 2.0  # seconds between two looks at the runs that are alive


class RunsRead(Message):
    """Some more runs were read; `of` is the number of all, `last` closes the list."""

    def __init__(self, infos: list[RunInfo], notes: dict[Path, str], of: int, last: bool) -> None:
        super().__init__()
        self.infos, self.notes, self.of, self.last = infos, notes, of, last


class RunsScreen(RunDeeds):
    """A table that fills while it is read."""

    DEFAULT_CSS = """
    RunsScreen {
        #runs-head { height: 2; padding: 0 1; color: $muted; }
        #runs { height: 1fr; margin: 0 1; background: $background; overflow-x: hidden; }
        #runs-say { height: auto; min-height: 1; max-height: 4; padding: 0 1; }
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "look", "Look"),
        Binding("f2", "look", show=False),
        Binding("f", "fix", "Fix"),
        Binding("o", "go_on", "Resume"),
        Binding("o", "begin", "Start"),
        Binding("l", "longer", "Longer"),
        Binding("space", "mark", "Mark", key_display="␣"),
        Binding("d", "compare", "Compare"),
        Binding("g", "generate", "Generate", show=False),
        Binding("e", "export", "Export", show=False),
        Binding("u", "push", "Hub", show=False),
        Binding("r", "again", "Again"),
        Binding("escape", "back", "Back"),
        Binding("q", "back", show=False),
        Binding("f1", "help", "Help"),
    ]

    def __init__(self, root: Path, at: Path | None = None) -> None:
        """`at`: the run that the cursor starts on."""
        super().__init__()
        self._root, self._at = root, at
        self._infos: list[RunInfo] = []
        self._noted = False  # a note stands in the line that answers
        self._notes: dict[Path, str] = {}  # of the runs that have one
        self._possible: dict[Path, Possible] = {}
        self._marked: list[Path] = []  # at most two; a third takes the place of the first

    def compose(self) -> ComposeResult:
        """What it is, the table, one line that answers, the keys."""
        yield Static("", id="runs-head", markup=False)
        table: RowTable[Text] = RowTable(id="runs")
        yield table
        yield Static("", id="runs-say", markup=False)
        yield KeyLine()

    def on_mount(self) -> None:
        """Read in a thread; those alive are looked at again and again."""
        self.action_again()
        self.set_interval(LOOK, self._look_at_alive)

    def action_again(self) -> None:
        """Read the folder from the start."""
        self._infos = []
        self._possible.clear()
        self.query_one("#runs-head", Static).update(f"The runs in {show_path(self._root)}/, the newest first.")
        self._say("Reading the runs ...")
        self._fill()
        self._read()
        self.query_one("#runs").focus()

    @work(thread=True, exclusive=True, group="runs")
    def _read(self) -> None:
        worker = get_current_worker()
        batch: list[RunInfo] = []
        total = 0
        for info, total in each_run(self._root):
            if worker.is_cancelled:
                return
            batch.append(info)
            if len(batch) == BATCH:
                self.post_message(RunsRead(batch, _notes(batch), total, last=False))
                batch = []
        if not worker.is_cancelled:
            self.post_message(RunsRead(batch, _notes(batch), total, last=True))

    @on(RunsRead)
    def _some_read(self, event: RunsRead) -> None:
        self._notes |= event.notes
        for info in event.infos:
            self._infos.append(info)
            table = self.query_one("#runs", DataTable)
            table.add_row(*self._cells(info))
            if info.run.path.absolute() == self._at:
                self._at = None
                table.move_cursor(row=table.row_count - 1)
        if not event.last:
            self._say(f"Read {len(self._infos):,} of {plural(event.of, 'run')}.")
        elif self._infos:
            count = plural(len(self._infos), "run")
            self._say(f"{count}. Enter looks at it, space marks two, d compares, n starts a new draft.")
        elif trouble := runs_trouble(self._root):
            self._say(trouble, "bad")
        else:
            self._say(f"There are no runs in {show_path(self._root)} yet.")

    def resized(self) -> None:
        """Show the columns that have room now."""
        self._fill()

    def _fill(self) -> None:
        table = self.query_one("#runs", DataTable)
        row = table.cursor_row
        table.clear(columns=True)
        for title, width in run_columns(self.size.width):
            table.add_column(Text(title, "dim", justify="right" if title in NUMBERS else "left"), width=width)
        for info in self._infos:
            table.add_row(*self._cells(info))
        if self._infos:
            table.move_cursor(row=min(row, len(self._infos) - 1))

    def _cells(self, info: RunInfo) -> list[Text]:
        return run_cells(info, info.run.path in self._marked, self.size.width, self._notes.get(info.run.path, ""))

    def _look_at_alive(self) -> None:
        for row, info in enumerate(self._infos):
            if info.alive or is_held(info.run.lock):  # held: it was resumed from elsewhere
                self._infos[row] = run_info(info.run)
                self._possible.pop(info.run.path.absolute(), None)
                self._update(row)
                if self._infos[row].state != info.state and row == self.query_one("#runs", DataTable).cursor_row:
                    self.refresh_bindings()  # its keys are others now

    def _update(self, row: int) -> None:
        table = self.query_one("#runs", DataTable)
        for column, cell in enumerate(self._cells(self._infos[row])):
            table.update_cell_at(Coordinate(row, column), cell)

    @property
    def current(self) -> RunDir | None:
        """The run under the cursor."""
        row = self.query_one("#runs", DataTable).cursor_row
        return RunDir(self._infos[row].run.path.absolute()) if 0 <= row < len(self._infos) else None

    kept_run = current

    @property
    def possible(self) -> Possible | None:
        """What can be done with the run under the cursor; looked at once for each row."""
        run = self.current if self.is_mounted else None
        if run is None:
            return None
        if run.path not in self._possible:
            self._possible[run.path] = possible(run)
        return self._possible[run.path]

    def begin_from(self, past: PastRun) -> None:
        """To the wizard."""
        self.dismiss(past)

    def refuse(self, words: str) -> None:
        """In the line above the keys."""
        self._say(words, "bad")

    def tell(self, words: str, bad: bool = False) -> None:
        """In the same line."""
        self._say(words, "bad" if bad else "")

    def files_changed(self) -> None:
        """What can be done with the run may be more now."""
        self._possible.clear()
        self.refresh_bindings()

    @on(DataTable.RowSelected)
    def action_look(self) -> None:
        """To the run's own screen."""
        if (run := self.open_run()) is not None:
            self.dismiss(Watch(run))

    @on(RunKept)
    def _kept(self, event: RunKept) -> None:
        if event.reason:
            self._say(safe_text(event.reason, 200), "bad")
            return
        rows = [row for row, info in enumerate(self._infos) if info.run.path.absolute() == event.run.path]
        if not rows:
            return
        self._marked = [one for one in self._marked if one.absolute() != event.run.path]
        if event.now is None:
            del self._infos[rows[0]]
        else:
            self._infos[rows[0]] = run_info(event.now)
            self._notes[event.now.path] = read_note(event.now)
        self._fill()
        self._say_of_current() if event.now is not None else self._say(f"Deleted: {safe_text(event.run.path.name)}")

    @on(DataTable.RowHighlighted)
    def _moved(self) -> None:
        self.refresh_bindings()
        self._say_of_current(quiet=True)

    def _say_of_current(self, quiet: bool = False) -> None:
        """The note on the run under the cursor, and its whole name where the column has no room for it."""
        if self.current is None:
            return
        note, name = read_note(self.current), safe_text(self.current.path.name)
        whole = name if len(name) > dict(run_columns(self.size.width))["run"] else ""
        said = f"{safe_text(name, 30)}: {note}" if note else whole
        if said or not quiet or self._noted:
            self._say(said)
        self._noted = bool(said)

    def action_mark(self) -> None:
        """Mark, or take the mark back; two are marked at most."""
        row = self.query_one("#runs", DataTable).cursor_row
        if not 0 <= row < len(self._infos):
            return
        path = self._infos[row].run.path
        before = list(self._marked)
        self._marked = [one for one in before if one != path] if path in before else [*before, path][-2:]
        for place, info in enumerate(self._infos):
            if info.run.path in {*before, *self._marked}:
                self._update(place)
        self._say(f"{plural(len(self._marked), 'run')} marked; d compares.")

    def action_compare(self) -> None:
        """The two marked, or the marked one and the current one; the older one stands on the left."""
        chosen = list(self._marked)
        if len(chosen) < 2 and self.current is not None:
            here = (info.run.path for info in self._infos if info.run.path.absolute() == self.current.path)
            chosen += [one for one in here if one not in chosen]
        if len(chosen) < 2:
            self._say("Mark a run with space, then press d on another one.", "warn")
            return
        from loratui.screens.results.compare import CompareScreen

        order = [info.run.path for info in self._infos]
        newer, older = sorted(chosen, key=order.index)
        if trouble := next(filter(None, (link_trouble(RunDir(one)) for one in (older, newer))), ""):
            self.refuse(trouble)
            return
        self.app.push_screen(CompareScreen(RunDir(older.absolute()), RunDir(newer.absolute())))

    def action_back(self) -> None:
        """To where one came from."""
        self.dismiss(None)

    def action_help(self) -> None:
        """The keys."""
        self.app.push_screen(Help("Runs", HELP, keys=""))

    def _say(self, text: str, tone: str = "") -> None:
        style = {"warn": "$text-warning", "bad": "$text-error"}.get(tone, "$muted")
        self.query_one("#runs-say", Static).update(Content.styled(glyph_of(tone) + text, style))


def _notes(infos: list[RunInfo]) -> dict[Path, str]:
    return {one.run.path: note for one in infos if not one.trouble and (note := read_note(one.run))}
