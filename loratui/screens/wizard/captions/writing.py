"""Captions in the wizard: kept in the draft while edited, written as .txt files only after a plain question."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Literal

from loratui.curation.captions.bulk import one_line
from loratui.screens.shared.questions import Answer, Confirm, Question
from loratui.screens.shared.scan import ScanningStep
from loratui.settings.drafts.draft import Draft
from loratui.terminal.text import os_words, plural, safe_text, show_path
from trainer.contract.entries import sweep, write_atomic
from trainer.contract.paths import can_see
from trainer.contract.settings.concepts import FIRST, number_of

if TYPE_CHECKING:
    from loratui.curation.report import Report

MOST_NAMED = 100  # captions that a question shows
Writes = Literal["write", "stay", "drop"]


def unwritten_words(draft: Draft) -> str:
    """How many captions were edited and are in no file yet, and by which key they get there; empty where none were."""
    count = len(draft.captions)
    them = "it" if count == 1 else "them"
    return f"{plural(count, 'edited caption')} not in a file yet: F2 asks whether to write {them}." if count else ""


class WizardCaptions(ScanningStep):
    """Adds captions to a step that shows pictures."""

    def captions_written(self) -> None:
        """Files were written, or the edits were dropped."""

    def ask_to_write(self, report: Report, then: Callable[[], None] | None = None) -> None:
        """Ask whether the edited captions shall become files; Escape keeps them as edits, dropping asks once more.

        `then` follows where no edit is left; without one the folder is looked at again.
        """
        known = {one.name: one for one in report.pictures}
        edits = [
            (known[name].path.with_suffix(".txt"), text) for name, text in self.draft.captions.items() if name in known
        ]
        lines = []
        for file, text in edits[:MOST_NAMED]:
            does = "replaces what it holds" if can_see(file) else "new file"
            lines.append(f"  {safe_text(file.name)} ({does})\n    {safe_text(text, 120)}")
        if more := len(edits) - len(lines):
            replaced = sum(can_see(file) for file, _ in edits[MOST_NAMED:])
            lines.append(f"  and {more:,} more, {replaced:,} of which replace what a file holds")
        words = (
            f"Written into {show_path(self.draft.folder)}, beside the pictures:\n\n"
            + "\n".join(lines)
            + "\n\nThe pictures themselves are not touched. Escape goes back; the edits stay."
        )
        answers: list[Answer[Writes]] = [
            Answer("y", "Write", "write"),
            Answer("n", "Back to the list", "stay"),
            Answer("d", "Drop the edits", "drop", destroys=True),
        ]
        title = f"Write {plural(len(edits), 'caption file')}?"
        question = Question[Writes](title, words, answers, "stay")
        self.app.push_screen(
            question, lambda answer: self._write_or_drop(report, answer, then or self.captions_written)
        )

    def _write_or_drop(self, report: Report, answer: Writes | None, then: Callable[[], None]) -> None:
        if answer == "write" and self._write(report):
            then()
        elif answer == "drop":
            self.ask_to_drop(then)

    def ask_to_drop(self, then: Callable[[], None]) -> None:
        """Ask whether the edited captions are forgotten; `then` follows if so."""
        count = plural(len(self.draft.captions), "edited caption")
        edits = list(self.draft.captions.values())
        more = [f"  and {len(edits) - MOST_NAMED:,} more"] if len(edits) > MOST_NAMED else []
        words = "\n".join([*(f"  {safe_text(text, 120)}" for text in edits[:MOST_NAMED]), *more])
        question = Confirm(f"Drop {count}?", words, "Drop them", "Keep them", destroys=True)
        self.app.push_screen(question, lambda yes: self._drop(then) if yes else None)

    def _drop(self, then: Callable[[], None]) -> None:
        self.edit(self.draft.with_fields(captions={}))
        then()

    def _write(self, report: Report) -> bool:
        """Write the files; False, said, where one cannot be: what is not written stays an edit."""
        left, root = dict(self.draft.captions), self.draft.folder
        sweep(root)
        for picture in report.pictures:
            if picture.name not in left:
                continue
            own = root if number_of(picture.name) < FIRST else picture.path.parent
            try:
                write_atomic(picture.path.with_suffix(".txt"), left[picture.name] + "\n", 0o644, own)
            except OSError as error:
                self.say(f"{safe_text(picture.name)}: the caption could not be written: {os_words(error)}", "bad")
                return False
            del left[picture.name]
        self.session.news = f"{plural(len(self.draft.captions) - len(left), 'caption')} written beside the pictures."
        self.edit(self.draft.with_fields(captions={}))
        self.session.forget_decisions()  # what is on disk is not taken back
        return True


def captioned(draft: Draft, files: Mapping[str, str], captions: Mapping[str, str]) -> Draft:
    """`draft` with these captions by picture; one that is what the file holds (`files`) is no edit."""
    found = {**draft.captions, **captions}
    for name, text in captions.items():
        if text == one_line(files.get(name, "")):
            del found[name]
    return draft.with_fields(captions=found)
