"""The workbench: one large picture, its caption in a field beside it, all captions below, one or many changed."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.timer import Timer
from textual.widgets import TextArea

from loratui.curation.captions.bulk import one_line
from loratui.curation.captions.views import CHOSEN, View
from loratui.screens.shared.picture_view import PictureView
from loratui.screens.shared.session import Session
from loratui.screens.wizard.captions.bulk_edits import BulkEdits
from loratui.screens.wizard.captions.caption_field import CaptionField
from loratui.screens.wizard.captions.writing import captioned, unwritten_words
from loratui.settings.checks import effective
from loratui.settings.drafts.draft import Draft
from loratui.settings.drafts.undo import Decision
from loratui.terminal.text import safe_text
from loratui.widgets.longlist import LongList
from loratui.widgets.sharp_picture import picture
from loratui.widgets.thumbnail import Thumbnail

if TYPE_CHECKING:
    from loratui.curation.report import PictureReport, Report

REST = 0.6  # seconds after the last letter: what was typed is then in the draft, which is on disk


class CaptionWorkbench(BulkEdits):
    """Every edit is one of the draft at once; a file is written after the question of F2 and no other way."""

    TITLE_OF = "Pictures"
    PURPOSE = "Captions: what each picture shows. Nothing is written before F2 has asked."
    HELP = """
One picture, its caption beside it, all captions below. What you type is kept
as you go on, also after Escape; press F2 to write the files, after a question.

In the field
  enter   the next picture (PgDn too); PgUp the one before
  ctrl+z  undo what was typed       escape  to the list

In the list
  e       type the caption of the picture under the cursor
  space   mark the picture, and go on     *   mark all, or none
  r       find and replace
  b       add words before and after the captions
  t       tags, the parts between commas, by frequency: add, remove
  u       undo the last change; U redo it
  f       filter: those without a caption, too long, edited ...
  /       search: those whose caption or name holds some words
  v       the picture full screen

What r, b and t do is for the marked pictures, or for all that are shown
where none is marked. The first tokens of a caption are trained, as many as
caption.max_tokens says (75 unless it was changed), counted by the base
model's own tokenizer where it is on this disk.
"""
    LETTERS = frozenset(["type", "mark", "mark_all", "replace", "around", "tags", "filter", "search", "undo", "view"])
    LETTERS_AT = "#bench-list"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("f2", "next", "Write"),
        Binding("enter,e", "type", "Type", key_display="e"),
        Binding("space", "mark", "Mark", key_display="␣"),
        Binding("asterisk", "mark_all", "Mark all", key_display="*", show=False),
        Binding("r", "replace", "Replace"),
        Binding("b", "around", "Add words"),
        Binding("t", "tags", "Tags"),
        Binding("f", "filter", "Filter", show=False),
        Binding("u", "undo", "Undo"),
        Binding("slash", "search", "Search", show=False),
        Binding("v", "view", "Full screen", show=False),
    ]

    def __init__(
        self,
        draft: Draft,
        session: Session,
        report: Report,
        keep: Callable[[Draft], None],
        only: Collection[str] = (),
        at: str = "",
    ) -> None:
        """Show the pictures of `report` that are not left out, or `only` these, `at` one of them.

        `keep` gets every new draft.
        """
        super().__init__(draft, session)
        left_out = set(draft.skipped) - {at}
        self._report, self._keep, self._at = report, keep, at
        self._pictures = {one.name: one for one in report.pictures if one.name not in left_out}
        self._files = {name: one.caption or "" for name, one in self._pictures.items()}
        self._chosen = frozenset(only) & self._pictures.keys()
        self._view = View(CHOSEN) if self._chosen else View()
        self._marked: frozenset[str] = frozenset()
        self._typing: Decision | None = None  # what takes back all that was typed since the picture was come to
        self._rest: Timer | None = None
        self._names: tuple[str, ...] = ()

    @property
    def here(self) -> str:
        """The picture under the cursor; empty where none is shown."""
        place = self.query_one(LongList).place
        return self._names[place] if place < len(self._names) else ""

    def compose_body(self) -> ComposeResult:
        """The picture; the field over the list."""
        with Horizontal():
            with Vertical(id="bench-picture"):
                yield picture("", "bench-thumb")
            with Vertical(id="bench-captions"):
                yield CaptionField(self.trigger, id="caption")
                yield LongList(self._row, "No picture is shown: f shows all.", id="bench-list")

    def on_mount(self) -> None:
        """Begin with the picture that was asked for, or the first; what is typed at once is words, and no command."""
        self.choose(self._view)
        if self._at in self._names:
            self.listed.show(len(self._names), self._names.index(self._at))
            self.come_to()
        (self.query_one(CaptionField) if self._names else self.listed).focus()

    @property
    def listed(self) -> LongList:
        """The list of captions."""
        return self.query_one(LongList)

    def _row(self, place: int, width: int) -> Content:
        name = self._names[place]
        text = self.captions.of(name)
        wide = max(8, min(24, width // 3))
        mark = "●" if name in self._marked else " "
        star = "*" if name in self.draft.captions else " "
        head = f"{mark} {safe_text(name, wide):<{wide}} "
        words = safe_text(text or "(no caption)", max(1, width - len(head) - 1))
        faint = "$foreground" if text else "$muted"
        return Content.assemble((head, "$muted"), (star, "$accent"), (words, faint))

    def show_list(self) -> None:
        """The rows, how many of them, and how many are marked or edited."""
        marked = len(self._marked.intersection(self._names))
        self.listed.show(len(self._names))
        self.listed.border_title = Content(f"{self.shown_words}{f', {marked} marked' if marked else ''}")
        edited = len(self.draft.captions)
        self.listed.border_subtitle = Content(f"* {edited:,} not written yet" if edited else "")

    def come_to(self) -> None:
        """Show the picture and the caption under the cursor."""
        name = self.here
        one = self._pictures.get(name)
        self._typing = None
        field = self.query_one(CaptionField)
        field.start(self.captions.of(name))
        field.disabled = not name
        self._count()
        box = self.query_one("#bench-picture")
        box.border_title = Content(safe_text(name, 40))
        box.border_subtitle = Content(f"{self.listed.place + 1:,} of {len(self._names):,}" if name else "")
        path = one.path if one is not None and one.opens else None
        background = str(effective(self.draft)["dataset.background"])
        empty = "" if one is None else "cannot be shown"
        self.query_one("#bench-thumb", Thumbnail).show(path, empty, background)

    def _count(self) -> None:
        self.query_one(CaptionField).tell(self.counter(self.query_one(CaptionField).text), self.most)

    @on(TextArea.Changed)
    def _typed(self) -> None:
        self._count()
        if self._rest is not None:
            self._rest.stop()
        self._rest = self.set_timer(REST, self.take_fields)

    def take_fields(self) -> None:
        """What stands in the field is the caption: an edit of the draft, one for all that is typed at a picture."""
        field, name = self.query_one(CaptionField), self.here
        if not name or not field.typed:
            return
        before, draft = self.draft, captioned(self.draft, self._files, {name: one_line(field.text)})
        field.taken()
        if draft == before:
            return
        if self._typing is None or self.session.undo[-1:] != [self._typing]:
            self._typing = Decision.between(f"the caption of {safe_text(name, 30)}.", before, draft)
            self.session.undo.append(self._typing)
            self.session.redo.clear()
        self.edit(draft)
        self.show_list()

    def edit(self, draft: Draft) -> None:
        """The step below keeps it, and has it saved."""
        if draft != self.draft:
            self.draft = draft
            self._keep(draft)

    def take_draft(self, draft: Draft) -> None:
        """Show what was changed or taken back."""
        super().take_draft(draft)
        self.show_list()
        self.come_to()

    @on(LongList.Moved)
    def _moved(self) -> None:
        self.come_to()

    @on(CaptionField.Another)
    def _another(self, event: CaptionField.Another) -> None:
        self.take_fields()
        self.listed.action_move(event.places)

    def action_type(self) -> None:
        """Type the caption of the picture under the cursor."""
        if self.here:
            self.query_one(CaptionField).focus()

    def action_mark(self) -> None:
        """Mark the picture under the cursor, or take its mark away, and go on."""
        if self.here:
            self._marked ^= {self.here}
            self.show_list()
            self.listed.action_move(1)

    def action_mark_all(self) -> None:
        """Mark all that are shown; where all are, none."""
        shown = frozenset(self._names)
        self._marked = self._marked - shown if shown <= self._marked else self._marked | shown
        self.show_list()

    def action_view(self) -> None:
        """The picture full screen."""
        one: PictureReport | None = self._pictures.get(self.here)
        if one is not None and one.opens:
            background = str(effective(self.draft)["dataset.background"])
            self.app.push_screen(PictureView(one.path, safe_text(one.name), background))

    def action_back(self) -> None:
        """From the field to the list, from the list to the pictures; what was typed is kept."""
        self.take_fields()
        if self.focused is self.query_one(CaptionField):
            self.listed.focus()
            if self.draft.captions:
                self.say(unwritten_words(self.draft), "warn")
        else:
            self.dismiss(None)

    def action_next(self) -> None:
        """Ask whether the edited captions shall be written."""
        self.take_fields()
        if self._report is not None and self.draft.captions:
            self.ask_to_write(self._report, self._written)
        else:
            self.say("No caption was edited: there is nothing to write.", "warn")

    def _written(self) -> None:
        self.dismiss(self.draft)
