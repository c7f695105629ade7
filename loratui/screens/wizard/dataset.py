"""The pictures: pick the folder, see what the check says of each, leave out, accept, caption, copy, keep the best."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.content import Content
from textual.widgets import DataTable, Input, Static

from loratui.curation.groups import FindingGroup
from loratui.screens.shared.dialogs import Chooser, Reader
from loratui.screens.shared.picture_view import PictureView
from loratui.screens.shared.row_table import RowTable
from loratui.screens.shared.scan import ScanFailed, Scanned, ScanProgressed
from loratui.screens.shared.session import Scan
from loratui.screens.wizard import picture_list as picturelist
from loratui.screens.wizard.concepts import ConceptList
from loratui.screens.wizard.picture_folder import PictureFolder
from loratui.screens.wizard.solving import SolvingStep
from loratui.screens.wizard.subject_guess import SubjectGuessing
from loratui.settings.checks import effective
from loratui.settings.steps import good_views, planned_steps
from loratui.terminal.text import safe_text
from loratui.widgets.paths import FolderSuggester
from loratui.widgets.thumbnail import Thumbnail

if TYPE_CHECKING:
    from loratui.curation.report import PictureReport


class PicturesScreen(SolvingStep, SubjectGuessing, PictureFolder, ConceptList):
    """Folder, table of pictures, what was found about the one under the cursor, and the picture itself."""

    TITLE_OF = "Pictures"
    PURPOSE = "Which pictures should it learn from? Next: what they show."
    HELP = """
Type the folder of your pictures and press Enter; Tab: complete the path,
↓ lists folders. A folder of parquet, arrow or webdataset files will do too,
or owner/name on the hub. No picture is ever changed. What they show is asked
first, for they are judged by it; Subject changes it.

The list begins with what was found, one row for each kind; Enter there shows
only the pictures that have it, and Enter again all. Below stand the pictures.

  s       what solves the finding; Enter does it
  space   skip the picture, or all of a kind; or bring them back
  a       accept what was found: you read it and train all the same
  A       accept all: every row that is shown
  u       undo the last decision; U redo it
  e       captions in the workbench: one by one, or many at once
  f       filter: what is to look at, what is skipped, one finding
  c       fix: copies, turned and converted, captions in UTF-8, no metadata
  b       keep the best, as many as you say, each with its reason
  enter   the picture full screen; on the whole set, all that is said of it
  r       look again, after you changed files
  +       add a concept: another folder, learned in the same run

✓ good     nothing to say           ! warn       solve it, or accept it
✗ block    stops a run              – skipped    by you
· hint     worth knowing            *            a caption not written yet

A model writes captions by s on "no caption"; press x to end it.
"""
    LETTERS = frozenset((
        "solve", "skip", "accept", "accept_shown", "caption", "filter", "fix", "best", "undo", "again",
        "end_captioning", "concepts",
    ))  # fmt: skip
    LETTERS_AT = "#table"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("s", "solve", "Solve"),
        Binding("space", "skip", "Skip", key_display="␣"),
        Binding("a", "accept", "Accept"),
        Binding("A", "accept_shown", "Accept all", show=False),
        Binding("u", "undo", "Undo"),
        Binding("e", "caption", "Captions"),
        Binding("f", "filter", "Filter", show=False),
        Binding("c", "fix", "Fix", show=False),
        Binding("b", "best", "Best", show=False),
        Binding("x", "end_captioning", "End", show=False),
        Binding("r", "again", "Again", show=False),
        Binding("plus", "concepts", "Add a concept", key_display="+", show=False),
    ]

    def compose_body(self) -> ComposeResult:
        """The folder, one line of counts, the table and the picture, the findings."""
        with Horizontal(id="folder-row", classes="row"):
            yield Static("folder", classes="label", markup=False)
            yield Input(
                self.session.typed.get(self.folder_kept) or self.folder_kept,
                placeholder="such as ~/photos/anna",
                id="folder",
                compact=True,
                suggester=FolderSuggester(),
                select_on_focus=False,
            )
        yield Static("", id="counts", markup=False)
        table: RowTable[Content] = RowTable(id="table")
        yield table
        with Horizontal(id="picture"):
            with VerticalScroll(id="findings", can_focus=False):
                yield Static("", id="finding-text", markup=False)
            yield Thumbnail("", id="thumb")

    def on_mount(self) -> None:
        """Take up the folder of the draft."""
        self._report = None
        self._filter = picturelist.ALL
        self._shown: list[PictureReport | FindingGroup | None] = []
        self.query_one("#findings").border_title = Content("what was found")
        if self.folder_kept and self.folder_kept not in self.session.typed:
            self.scan_folder()
        else:
            self.ask_to_open()

    def resized(self) -> None:
        """Show the table in the columns that have room now."""
        if self._report is not None:
            self.call_after_refresh(self._show_table)

    @on(ScanProgressed)
    def _progressed(self, event: ScanProgressed) -> None:
        self.say(event.words)

    @on(ScanFailed)
    def _failed(self, event: ScanFailed) -> None:
        self._report = None
        self.say(safe_text(event.reason), "bad")
        self._show_table()
        self.query_one("#folder", Input).focus()
        if self.ask_below():
            return
        if event.columns:
            self._ask_column(event.columns)

    @on(Scanned)
    def _scanned(self, event: Scanned) -> None:
        self.keep_folder()
        if not self.asks_about(event.scan.report, lambda: self._judged(event.scan)):
            self._judged(event.scan)

    def _judged(self, scan: Scan) -> None:
        self._take(scan)
        table = self.query_one("#table", DataTable)
        if self.at_findings:
            groups = (row for row, one in enumerate(self._shown) if isinstance(one, FindingGroup))
            table.move_cursor(row=next(groups, 0))
            self.at_findings = False
        if self.focused is None or self.focused.id == "folder":
            table.focus()
        self.say_after_look(scan)

    def _take(self, scan: Scan) -> None:
        from loratui.curation.checks.whole_set import with_views

        self.session.scan = scan
        self._report = scan.report
        self.edit(self.draft.with_fields(images=len(self.outcome_of(scan.report).images)))
        if self.draft.preset:  # the steps are known
            (steps, batch, images), good = planned_steps(self.draft), good_views(self.draft.preset)
            self._report = with_views(scan.report, images, steps, batch, scan.settings.base, good)
        self._show_table()
        self.refresh_bindings()

    def _show_table(self) -> None:
        table = self.query_one("#table", DataTable)
        row, before = table.cursor_row, None if self.row is None else picturelist.key_of(self.row)
        table.clear(columns=True)
        self._shown = [] if (report := self._report) is None else picturelist.chosen(report, self.draft, self._filter)
        (counts := self.query_one("#counts", Static)).update("")
        if report is not None:
            result = self.outcome_of(report)
            counts.update(picturelist.counts(report, result, self.draft, self._filter))
            for title, width in picturelist.columns(table.size.width):
                table.add_column(Text(title, "dim"), width=width)
            for one in self._shown:
                cells = picturelist.cells(report, result, one, self.draft, table.size.width)
                table.add_row(*cells, height=max(one.plain.count("\n") for one in cells) + 1)
        if self._shown:
            keys = [None if one is None else picturelist.key_of(one) for one in self._shown]
            table.move_cursor(row=keys.index(before) if before in keys else min(row, len(keys) - 1))
        self._show_findings()

    @property
    def row(self) -> PictureReport | FindingGroup | None:
        """The row under the cursor; None on that of the whole set, and in an empty list."""
        return next(iter(self.rows_here()), None)

    @property
    def picture(self) -> PictureReport | None:
        """That of the row."""
        return None if isinstance(self.row, FindingGroup) else self.row

    def rows_here(self) -> list[PictureReport | FindingGroup | None]:
        """What stands under the cursor: one row, or none."""
        row = self.query_one("#table", DataTable).cursor_row
        return self._shown[row : row + 1]

    def rows_shown(self) -> list[PictureReport | FindingGroup | None]:
        """What the filter lets through."""
        return self._shown

    def decided(self) -> None:
        """A decision changes the status of rows."""
        self._show_table()

    @on(DataTable.RowHighlighted)
    def _moved(self) -> None:
        self._show_findings()

    def _show_findings(self) -> None:
        picture, report, words = self.picture, self._report, Content("")
        if isinstance(self.row, FindingGroup) and report is not None:  # the first of them
            picture = next((one for one in report.pictures if one.name in self.row.files), None)
        if report is not None and self.rows_here():
            words = picturelist.findings(report, self.row, self.draft)
        if report is not None or not self.has_class("-choosing"):  # the folders to choose from stay
            self.query_one("#finding-text", Static).update(words)
        self.query_one("#findings").scroll_home(animate=False)
        self.query_one("#thumb", Thumbnail).show(
            picture.path if picture is not None and picture.opens else None, background=self._background()
        )

    def _background(self) -> str:
        return str(effective(self.draft)["dataset.background"])

    @on(DataTable.RowSelected)
    def _opened(self) -> None:
        if isinstance(self.row, FindingGroup):
            self._show_only(picturelist.ALL if self._filter == self.row.code else self.row.code)
        elif self.picture is not None and self.picture.opens:
            words = f"{safe_text(self.picture.name)} · Escape closes"
            self.app.push_screen(PictureView(self.picture.path, words, self._background()))
        elif self._report is not None and self.rows_here() == [None]:
            self.app.push_screen(Reader("The whole set", picturelist.whole_set(self._report, self.draft, True)))

    def action_caption(self) -> None:
        """Captions in the workbench: of the picture under the cursor, of those of a finding, or all."""
        if self.picture is not None:
            self.open_workbench(at=self.picture.name)
        elif self._report is not None:
            self.open_workbench(only=self.row.files if isinstance(self.row, FindingGroup) else ())

    def captions_written(self) -> None:
        """The files changed: look again."""
        self.scan_folder()

    def action_filter(self) -> None:
        """All, those to look at, those left out, or those with one finding."""
        if self._report is not None:
            lines = picturelist.filters(self._report, self.draft)
            self.app.push_screen(Chooser("Show", lines, self._filter), self._show_only)

    def show_concept(self, number: int) -> None:
        """Show its pictures alone."""
        self._show_only(f"{picturelist.CONCEPT}{number}")

    def _show_only(self, filter: str | None) -> None:
        if filter is not None:
            self._filter = filter
            self._show_table()

    def action_fix(self) -> None:
        """Copies that are put right."""
        if self._report is not None:
            self.ask_for_copies(self._report)

    def look_again(self) -> None:
        """Other pictures, or another measure for them."""
        self.query_one("#folder", Input).value = str(self.draft.get("dataset.path"))
        self.check_pictures()

    def action_best(self) -> None:
        """Keep the best n."""
        if self._report is not None:
            self.propose_best(self._report)

    def action_again(self) -> None:
        """Look at the files again, and say what changed."""
        self._before = self._report
        self.scan_folder()

    def action_next(self) -> None:
        """On to the subject, once something is there to learn from."""
        if self._report is None or self.query_one("#folder", Input).value.strip() != self.draft.get("dataset.path"):
            self.look_before_next()
            return
        if self.draft.captions:
            self.ask_to_write(self._report)
            return
        if self.asks_to_leave_out(self._report, self.action_next):
            return
        if not self.teaches():
            self.ask_for("All pictures are skipped: there is nothing to learn from.", self.teaches)
        else:
            self.dismiss(self.draft)
