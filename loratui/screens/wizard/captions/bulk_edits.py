"""Changes to many captions at once: for the marked pictures, or for all that are shown where none is marked."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING

from textual.content import Content

from loratui.curation.captions.bulk import Around, Replacement, changes
from loratui.curation.captions.tags import TagCount, holding, tag_counts, with_tag, without_tag
from loratui.curation.captions.views import (
    ALL,
    CHOSEN,
    EDITED,
    EMPTY,
    LONG,
    UNTRIGGERED,
    WORDS,
    Captions,
    View,
    shown,
    targets,
)
from loratui.curation.concepts import trigger_of
from loratui.screens.shared.dialogs import Chooser
from loratui.screens.shared.editors import Form, LineEditor
from loratui.screens.shared.undoing import UndoingStep
from loratui.screens.wizard.captions.replacing import ReplaceWindow
from loratui.screens.wizard.captions.tag_list import TagList
from loratui.screens.wizard.captions.writing import WizardCaptions, captioned
from loratui.settings.checks import effective
from loratui.terminal.text import plural, safe_text
from trainer.contract.captioning.tokens import Counter, caption_counter

if TYPE_CHECKING:
    from loratui.curation.report import PictureReport

BEFORE, AFTER = "before", "after"
VIEWS = {
    ALL: "all",
    EMPTY: "without a caption",
    EDITED: "edited, not written yet",
    LONG: "longer than {most} tokens",
    UNTRIGGERED: "captions without the trigger",
    CHOSEN: "those of the finding",
}


class BulkEdits(UndoingStep, WizardCaptions):
    """Adds them to a screen that shows captions."""

    _pictures: dict[str, PictureReport]
    _files: dict[str, str]
    _names: tuple[str, ...]
    _marked: frozenset[str]
    _chosen: frozenset[str]
    _view: View

    @cached_property
    def trigger(self) -> str:
        """The words that stand for what is learned."""
        return trigger_of(effective(self.draft))

    @cached_property
    def counter(self) -> Counter:
        """Counts as the base model reads."""
        settings = self.scan_settings()
        return caption_counter(settings.base, self.trigger, settings.tokens)

    @property
    def most(self) -> int:
        """Tokens of a caption that are read."""
        return self.scan_settings().most

    @property
    def captions(self) -> Captions:
        """All captions as they are now."""
        return Captions(self._files, self.draft.captions)

    def show_list(self) -> None:
        """Draw the list anew."""

    def come_to(self) -> None:
        """Show what is under the cursor."""

    @property
    def targets(self) -> tuple[str, ...]:
        """Whom a change is for."""
        return targets(self._names, self._marked)

    @property
    def targets_words(self) -> str:
        """The same in words."""
        some = bool(self._marked.intersection(self._names))
        return f"the {plural(len(self.targets), 'marked picture')}" if some else self.shown_words

    @property
    def shown_words(self) -> str:
        """What is shown, in words."""
        count = plural(len(self._names), "picture")
        if self._view.kind == WORDS:
            return f"{count} with '{safe_text(self._view.words, 16)}'"
        return count if self._view.kind == ALL else f"{count}: {self._words_of(self._view.kind)}"

    def change_all(self, words: str, change: Callable[[str], str]) -> None:
        """Change the captions of the targets; `words` say what was done."""
        self.take_fields()
        new = changes(self.captions.now, self.targets, change)
        if not new:
            self.say("That changes no caption.", "warn")
            return
        self.do(f"{words} in {plural(len(new), 'caption')}.", captioned(self.draft, self._files, new))

    def action_replace(self) -> None:
        """Find words in captions and put others in their place."""
        texts = [self.captions.of(name) for name in self.targets]

        def take(given: Replacement | None) -> None:
            if given is not None:
                put = f"'{safe_text(given.put, 16)}' for" if given.put else "Taken out:"
                self.change_all(f"{put} '{safe_text(given.find, 16)}'", given)

        self.app.push_screen(ReplaceWindow(f"Find and replace in {self.targets_words}", texts), take)

    def action_around(self) -> None:
        """Put words before or after captions."""
        words = (
            "These words are put before and after each caption, but not where they stand there already. "
            "A picture without a caption gets them as its caption."
        )
        fields = [(BEFORE, "", "such as TOK,"), (AFTER, "", "such as , a studio photo")]

        def take(given: dict[str, str] | None) -> None:
            if given is not None:
                self.change_all("Words added", Around(given[BEFORE], given[AFTER]))

        def wrong(given: dict[str, str]) -> str:
            return "" if given[BEFORE] or given[AFTER] else "Type what to put before or after."

        title = f"Add words to the captions of {self.targets_words}"
        self.app.push_screen(Form(title, words, fields, wrong, does="Add them"), take)

    def action_tags(self) -> None:
        """The parts between commas by frequency, put into captions or taken out."""
        self.app.push_screen(TagList(self))

    def tag_counts(self) -> tuple[TagCount, ...]:
        """The tags of the targets."""
        return tag_counts(self.captions.now, self.targets)

    def add_tag(self, tag: str) -> None:
        """Put a tag behind the captions that lack it."""
        self.change_all(f"'{safe_text(tag, 24)}' put", lambda text: with_tag(text, tag))

    def remove_tag(self, tag: str) -> None:
        """Take a tag out of the captions that have it."""
        self.change_all(f"'{safe_text(tag, 24)}' taken out", lambda text: without_tag(text, tag))

    def mark_holding(self, tag: str) -> None:
        """Mark the pictures whose caption has a tag, and no others."""
        self._marked = frozenset(holding(self.captions.now, self._names, tag))
        self.show_list()
        self.say(f"Marked: {plural(len(self._marked), 'picture')} with '{safe_text(tag, 30)}'.")

    def choose(self, view: View) -> None:
        """Show those of a view; they stay until another is chosen, whatever is typed."""
        self._view = view
        names = tuple(self._pictures)
        self._names = shown(self.captions, names, view, self.trigger, self.counter, self.most, self._chosen)
        self.show_list()
        self.come_to()

    def action_filter(self) -> None:
        """Show all, or those with something to do."""
        self.take_fields()
        kinds = [kind for kind in VIEWS if kind != CHOSEN or self._chosen]
        lines = [(kind, Content(f"{self._words_of(kind)} ({self._count_of(kind):,})")) for kind in kinds]

        def take(kind: str | None) -> None:
            if kind is not None:
                self.choose(View(kind))

        self.app.push_screen(Chooser("Show", lines, self._view.kind), take)

    def _words_of(self, kind: str) -> str:
        return VIEWS[kind].format(most=self.most)

    def _count_of(self, kind: str) -> int:
        names = tuple(self._pictures)
        return len(shown(self.captions, names, View(kind), self.trigger, self.counter, self.most, self._chosen))

    def action_search(self) -> None:
        """Show those whose caption or name holds some words."""

        def take(words: str | None) -> None:
            if words is not None:
                self.choose(View(WORDS, words.strip()) if words.strip() else View())

        words = "Words of a caption, or of a picture's name; nothing shows all."
        self.app.push_screen(LineEditor("Show pictures with", self._view.words, words), take)
