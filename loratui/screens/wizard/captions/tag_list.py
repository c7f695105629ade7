"""The window of tags: the parts of captions between commas by frequency, each put into or taken out of many."""

from __future__ import annotations

from typing import ClassVar, Protocol

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.widgets import Static

from loratui.curation.captions.tags import TagCount
from loratui.screens.shared.editors import LineEditor
from loratui.screens.shared.steady import SteadyModal
from loratui.terminal.text import safe_text
from loratui.widgets.dialog import Dialog
from loratui.widgets.longlist import LongList

KEYS = "a adds it to all  x takes it out  n new tag  m marks who has it  u undo  Escape closes"


class TagBench(Protocol):
    """What the window works on."""

    @property
    def targets(self) -> tuple[str, ...]: ...
    @property
    def targets_words(self) -> str: ...
    def tag_counts(self) -> tuple[TagCount, ...]: ...
    def add_tag(self, tag: str) -> None: ...
    def remove_tag(self, tag: str) -> None: ...
    def mark_holding(self, tag: str) -> None: ...
    def action_undo(self) -> None: ...


class TagList(SteadyModal[None]):
    """A row a tag; what a key does is done at once, and taken back by u."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q", "close", "Close"),
        Binding("a", "add", "Add to all"),
        Binding("x,delete,backspace", "remove", "Take out"),
        Binding("n", "new", "New tag"),
        Binding("m", "mark", "Mark who has it"),
        Binding("u", "undo", "Undo"),
    ]

    def __init__(self, bench: TagBench) -> None:
        super().__init__()
        self._bench = bench
        self._tags: tuple[TagCount, ...] = ()

    def compose(self) -> ComposeResult:
        """The list and its keys."""
        with Dialog(f"Tags of {self._bench.targets_words}", classes="reader"):
            yield LongList(self._row, "No caption has words yet; n puts a tag into all.", id="tags")
            yield Static(KEYS, classes="tag-keys", markup=False)

    def on_mount(self) -> None:
        """Show the tags, the most frequent first."""
        self._show()
        self.query_one(LongList).focus()

    def _row(self, place: int, width: int) -> Content:
        one = self._tags[place]
        of = f"{one.count:>5,} of {len(self._bench.targets):<6,} "
        return Content.assemble((of, "$muted"), safe_text(one.tag, max(1, width - len(of))))

    def _show(self) -> None:
        at = self._tag
        self._tags = self._bench.tag_counts()
        names = [one.tag for one in self._tags]
        self.query_one(LongList).show(len(names), names.index(at) if at in names else None)

    @property
    def _tag(self) -> str:
        place = self.query_one(LongList).place
        return self._tags[place].tag if place < len(self._tags) else ""

    def action_add(self) -> None:
        """Put the tag into every caption that lacks it."""
        if self._tag:
            self._bench.add_tag(self._tag)
            self._show()

    def action_remove(self) -> None:
        """Take the tag out of every caption that has it."""
        if self._tag:
            self._bench.remove_tag(self._tag)
            self._show()

    def action_new(self) -> None:
        """Put another tag into every caption."""

        def take(tag: str | None) -> None:
            if tag and tag.strip(" ,"):
                self._bench.add_tag(tag)
                self._show()

        words = f"Added to the end of each caption of {self._bench.targets_words} that lacks it."
        self.app.push_screen(LineEditor("New tag", "", words), take)

    def action_mark(self) -> None:
        """Mark the pictures that have the tag, and go back to them."""
        if self._tag:
            self._bench.mark_holding(self._tag)
            self.dismiss(None)

    def action_undo(self) -> None:
        """Take the last change back."""
        self._bench.action_undo()
        self._show()

    def action_close(self) -> None:
        """Back to the captions."""
        self.dismiss(None)
