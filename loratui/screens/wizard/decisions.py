"""What the person decides about pictures and findings, all of it in the draft, each decision taken back by a key."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from loratui.curation.groups import FindingGroup, accept_keys, grouped, in_short
from loratui.curation.lines import group_lines
from loratui.screens.shared.questions import Confirm
from loratui.screens.shared.scan import ScanningStep, concepts_beside
from loratui.screens.shared.undoing import UndoingStep
from loratui.screens.wizard import picture_list as picturelist
from loratui.settings.drafts.draft import Draft
from loratui.terminal.text import plural, safe_text
from trainer.contract.settings.concepts import FIRST, number_of, title_of

if TYPE_CHECKING:
    from loratui.curation.report import Finding, Outcome, PictureReport, Report
    from loratui.curation.scan import ScanSettings
    from trainer.contract.settings.taught import Taught


def of_title(number: int) -> str:
    """ " of concept 2", behind how many pictures; nothing for that of the folder in the line."""
    return f" of {title_of(number)}" if title_of(number) else ""


class PictureDecisions(UndoingStep, ScanningStep):
    """Adds the decisions to a step that shows a report."""

    _report: Report | None = None
    _filter: str = picturelist.ALL
    at_findings: bool = False  # begin on the first finding: who comes from the plan comes for those

    @property
    def concept_shown(self) -> int:
        """The number of the concept that is shown alone; 0 where all are."""
        before, _, number = self._filter.rpartition(" ")
        return int(number) if f"{before} " == picturelist.CONCEPT else 0

    def concept_of(self, names: Iterable[str]) -> int:
        """Whose pictures it is about: the concept that is shown alone, else the first that has one of `names`."""
        return self.concept_shown or min(map(number_of, names), default=1)

    def concept_beside(self, number: int) -> Taught | None:
        """The further concept of this number; None for that of the folder in the line."""
        return next((one for one in concepts_beside(self.draft) if one.number == number), None)

    def _folder_of(self, number: int) -> Path:
        """Where the pictures of a further concept lie."""
        assert self._report is not None
        return self._report.beside[number - FIRST]

    def rows_here(self) -> list[PictureReport | FindingGroup | None]:
        """The row under the cursor, None for the whole set; empty where the list is."""
        return []

    def rows_shown(self) -> list[PictureReport | FindingGroup | None]:
        """Every row that is shown."""
        return []

    def decided(self) -> None:
        """The draft holds a new decision."""

    def can(self, action: str) -> bool:
        """Before the pictures were looked at there is nothing to act on."""
        return self._report is not None

    def teaches(self) -> bool:
        """Whether any picture is left to learn from."""
        return self._report is not None and bool(self.outcome_of(self._report).images)

    def look_again(self) -> None:
        """The decision changed what the pictures are measured against, or which they are."""

    def scan_settings(self) -> ScanSettings:
        """Captions are judged by the trigger once it was chosen: by a guess that was taken, or at the next step."""
        found = super().scan_settings()
        return found if "dataset.trigger" in self.draft.values else replace(found, trigger="")

    def outcome_of(self, report: Report) -> Outcome:
        """What the decisions make of the report."""
        from loratui.curation.report import outcome

        return outcome(report, self.draft.skipped, self.draft.accepted)

    def take_draft(self, draft: Draft) -> None:
        """Show what was decided; look again where the pictures or their measure are others now."""
        before = self.looks_at()
        self.edit(draft)
        if self.looks_at() != before:
            self.look_again()
            return
        if self._report is not None:
            self.edit(self.draft.with_fields(images=len(self.outcome_of(self._report).images)))
        self.decided()

    def settle(self, draft: Draft, words: str) -> None:
        """Say it again after a look that it makes necessary."""
        before = self.looks_at()
        super().settle(draft, words)
        if self.looks_at() != before:
            self.session.news = words

    def decide(self, words: str, key: str, value: tuple[str, ...]) -> None:
        """Keep `value` under dataset.skip or dataset.accept."""
        self.do(words, self.draft.with_settings({key: value or None}))

    def action_skip(self) -> None:
        """Leave out the picture, or all that the row is about; or take them in again."""
        for row in self.rows_here():
            known = set() if self._report is None else {one.name for one in self._report.pictures}
            files = () if row is None else row.files if isinstance(row, FindingGroup) else (row.name,)
            names = tuple(one for one in files if one in known)
            if not names:
                self.say("This row is about the set; skip pictures in their own rows.", "warn")
                return
            self.leave_out(names, out=not set(names) <= set(self.draft.skipped))

    def leave_out(self, names: tuple[str, ...], out: bool = True) -> None:
        """Leave these pictures out besides those that are, or take them in again."""
        skipped = self.draft.skipped
        shown = safe_text(names[0], 30) if len(names) == 1 else plural(len(names), "picture")
        if out:
            self.decide(f"Skipped: {shown}.", "dataset.skip", tuple(dict.fromkeys((*skipped, *names))))
        else:
            rest = tuple(one for one in skipped if one not in names)
            self.decide(f"Brought back: {shown}.", "dataset.skip", rest)

    def action_accept(self) -> None:
        """Accept all that was found about the row under the cursor, or take that back."""
        if self.rows_here() == [None]:
            self.say("Each finding below has a row of its own; A accepts all of them.", "warn")
        else:
            self._accept(self.rows_here(), picturelist.ALL)

    def action_accept_shown(self) -> None:
        """Accept for every row that is shown; with one finding chosen, that finding only."""
        self._accept(self.rows_shown(), self._filter)

    def _accept(self, rows: list[PictureReport | FindingGroup | None], filter: str) -> None:
        if self._report is None:
            return
        found = picturelist.to_accept(self._report, rows, filter)
        shown = ", ".join(map(in_short, grouped(found)))
        accepted = self.draft.accepted
        if not found:
            self.say("There is nothing to accept here; what stops a run must be put right or skipped.", "warn")
        elif all(one.is_accepted(accepted) for one in found):
            self.decide(f"To decide again: {shown}.", "dataset.accept", without(self._report, accepted, found))
        else:
            keys = tuple(dict.fromkeys((*accepted, *accept_keys(found))))
            self.decide(f"Accepted: {shown}.", "dataset.accept", keys)

    def asks_to_leave_out(self, report: Report, then: Callable[[], None]) -> bool:
        """Whether pictures stand in the set that no run can use; asks to leave them out, and goes on with `then`."""
        blocking = [one for one in self.outcome_of(report).blocking if one.file and not one.acceptable]
        useless = {str(one.file): None for one in blocking}
        if not useless:
            return False
        names = "\n".join(line for one in grouped(blocking) for line in group_lines(one, 62, names=True))
        left = len(report.pictures) - len({*self.draft.skipped, *useless})
        stay = f"Without them {plural(left, 'picture')} stay. No file is touched."

        def answered(yes: bool | None) -> None:
            if yes:
                self.leave_out(tuple(useless))
                then()

        question = Confirm(
            "Skip them?", f"These cannot be trained on:\n\n{names}\n\n{stay}", "Skip", "Back to the list"
        )
        self.app.push_screen(question, answered)
        return True


def without(report: Report, accepted: tuple[str, ...], found: list[Finding]) -> tuple[str, ...]:
    """What is accepted once `found` is not: of a kind that was accepted altogether the others stay so."""
    back = {(one.code, one.file) for one in found}
    kinds = {one.code: one for one in grouped(report.all_findings)}
    kept: list[str] = []
    for key in accepted:
        code, _, file = key.partition(":")
        if (code, file) in back:
            continue
        of_kind = kinds.get(code)
        if key == code and of_kind is not None and any(one.code == code for one in found):
            kept += [one.accept_key for one in of_kind.findings if (one.code, one.file) not in back]
        else:
            kept.append(key)
    return tuple(dict.fromkeys(kept))
