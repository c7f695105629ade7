"""The window for find and replace: it shows what would change while one types."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.content import Content
from textual.widgets import Input, Static

from loratui.curation.captions.bulk import Replacement
from loratui.screens.shared.editors import Editor
from loratui.terminal.text import plural, safe_text
from loratui.widgets.dialog import Dialog


class ReplaceWindow(Editor[Replacement | None]):
    """Two lines; Enter in the second replaces, F2 in either. F3 and F4 say what counts as the same words."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "app.focus_previous", show=False),
        Binding("down", "app.focus_next", show=False),
        Binding("f3", "whole_words", "Whole words", show=False),
        Binding("f4", "same_case", "Capitals", show=False),
    ]
    KEEPS = "Replace"

    def __init__(self, title: str, captions: Sequence[str]) -> None:
        super().__init__()
        self._title, self._captions = title, captions
        self._what = Replacement("")

    @property
    def starts(self) -> list[str]:
        """Both lines begin empty."""
        return ["", ""]

    @property
    def ends(self) -> str:
        """The words to find are followed by those to put."""
        does = "Enter: next line, F2 replaces" if self.goes_on else "Enter replaces"
        return f"{does}, F3 F4 switch, Escape cancels"

    def compose(self) -> ComposeResult:
        """The lines, the two ways to be exact, what would change."""
        with Dialog(self._title, self.ends):
            for label, empty in (("find", "words of captions"), ("put", "nothing: take them out")):
                with Horizontal(classes="row"):
                    yield Static(label, classes="label", markup=False)
                    yield Input("", placeholder=empty, compact=True, select_on_focus=False)
            yield Static("", id="replace-ways", markup=False)
            yield Static("", classes="dialog-words", markup=False)

    def on_mount(self) -> None:
        """Nothing is found yet."""
        self._preview()

    def action_whole_words(self) -> None:
        """Find whole words only, or parts of words too."""
        self._what = replace(self._what, whole_words=not self._what.whole_words)
        self._preview()

    def action_same_case(self) -> None:
        """Tell capitals from small letters, or do not."""
        self._what = replace(self._what, same_case=not self._what.same_case)
        self._preview()

    @on(Input.Changed)
    def _preview(self) -> None:
        find, put = (one.value for one in self.query(Input))
        self._what = what = replace(self._what, find=find.strip(), put=put.strip())
        ways = [(what.whole_words, "F3 whole words only"), (what.same_case, "F4 capitals count")]
        marked = "   ".join(f"{'✓' if on else '·'} {words}" for on, words in ways)
        self.query_one("#replace-ways", Static).update(Content.styled(marked, "$muted"))
        self.query_one(".dialog-words", Static).update(self._words(what))

    def _words(self, what: Replacement) -> Content:
        if not what.find:
            return Content.styled("Type the words to find.", "$muted")
        counts = [what.count(one) for one in self._captions]
        times, held = sum(counts), sum(bool(one) for one in counts)
        if not times:
            return Content.styled(f"Not in any of {plural(len(counts), 'caption')}.", "$text-warning")
        said = f"{plural(times, 'place')} in {plural(held, 'caption')}; the first would be:"
        first = next(one for one, count in zip(self._captions, counts, strict=True) if count)
        return Content.assemble(said, "\n", (safe_text(what(first), 200), "$accent"))

    def keep(self) -> None:
        """Answer with the replacement, or say that it finds nothing."""
        self._preview()
        found = self._what.find and any(map(self._what.count, self._captions))
        self.answer(self._what, "" if found else "No caption holds these words.")
