"""Before the pictures are judged: what they seem to teach is asked, so that a face is no bystander."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from loratui.screens.shared.dialogs import Chooser
from loratui.screens.shared.questions import Confirm
from loratui.screens.wizard.concept import KINDS, kind_line
from loratui.screens.wizard.decisions import PictureDecisions
from loratui.settings.checks import effective, problems
from loratui.terminal.text import safe_text

if TYPE_CHECKING:
    from loratui.curation.report import Report

WORDS = {  # how a guessed setting is called in the question
    "kind": "kind",
    "dataset.trigger": "trigger",
    "dataset.class_word": "class word",
    "dataset.repeats": "repeats",
}


class SubjectGuessing(PictureDecisions):
    """Adds the question to a step that shows pictures; once for the same ones, with a guess where something speaks."""

    def asks_about(self, report: Report, then: Callable[[], None]) -> bool:
        """Ask what the pictures of a folder teach, unless the person has said it; False if there is no need.

        What they say themselves is proposed; of the rest the kind is asked, for they are judged by it. `then` follows
        the answer, unless that has them looked at again.
        """
        from loratui.curation.guess import guess_subject

        folder, pictures = str(report.folder), mark_of(report)
        if pictures in (self.session.asked.get(folder), self.draft.asked.get(folder)):
            return False
        self.session.asked[folder] = pictures
        guess = guess_subject(report, str(effective(self.draft)["model.base"]))
        values = {key: value for key, value in guess.values.items() if key not in self.draft.values}
        if "dataset.class_word" in values and "kind" not in self.draft.values:
            values.setdefault("kind", "object")  # it is called something, and no person and no style
        new = {key: value for key, value in values.items() if effective(self.draft)[key] != value}
        prompt = {"dataset.instance_prompt": str(values["dataset.trigger"])} if "dataset.trigger" in values else {}
        speaks = bool(new) and not problems(self.draft, {**values, **prompt})
        if not speaks and "kind" in self.draft.values:
            return False
        self.edit(self.draft.with_fields(asked={**self.draft.asked, folder: pictures}))
        if not speaks:
            return self._asks_kind({}, then)
        lines = [f"{WORDS[key]:<12} {safe_text(_said(key, value), 40)}" for key, value in values.items()]
        why = [safe_text(one) for one in guess.why]
        body = "\n".join([*why, "", *lines, "", "All of it can be changed later."])
        question = Confirm("Should it learn this from your pictures?", body, "Yes", "No, I choose")

        def answered(yes: bool | None) -> None:
            taken = values if yes else {}
            if not self._asks_kind(taken, then):
                self._choose(taken, then)

        self.app.push_screen(question, answered)
        return True

    def _asks_kind(self, values: dict[str, Any], then: Callable[[], None]) -> bool:
        """Ask for the kind if neither the person nor `values` say it; after Escape Subject asks for it."""
        if "kind" in {**self.draft.values, **values}:
            return False
        note = "They are judged by it. It can be changed later."
        lines = [(one[0], kind_line(one, self.draft)) for one in KINDS]
        question = Chooser("What do your pictures show?", lines, str(effective(self.draft)["kind"]), note)

        def chosen(kind: str | None) -> None:
            self._choose(values if kind is None else {**values, "kind": kind}, then, guessed=bool(values))

        self.app.push_screen(question, chosen)
        return True

    def _choose(self, values: dict[str, Any], then: Callable[[], None], guessed: bool = True) -> None:
        before = self.looks_at()
        if values.keys() == {"kind"} and not guessed:  # an answer, which Subject changes: no decision to take back
            self.take_draft(self.draft.with_settings(values))
        elif values:
            shown = ", ".join(
                _named(key, value) for key, value in sorted(values.items(), key=lambda one: one[0] != "kind")
            )
            self.do(f"Chosen: {shown}.", self.draft.with_settings(values))
        if self.looks_at() == before:
            then()


def mark_of(report: Report) -> str:
    """The names and contents of the pictures of a folder, as one word: another one, where they are others."""
    pictures = sorted(f"{one.name} {one.sha256}" for one in report.pictures)
    return sha256("\n".join(pictures).encode("utf-8", "surrogateescape")).hexdigest()[:16]


def _named(key: str, value: object) -> str:
    said = safe_text(_said(key, value), 30)
    return said if key == "kind" else f"{WORDS[key]} {said}"


def _said(key: str, value: object) -> str:
    titles = {kind: title for kind, title, _ in KINDS}
    return titles.get(str(value), str(value)) if key == "kind" else str(value)
