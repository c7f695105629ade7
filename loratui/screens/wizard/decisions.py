"""What the person decides about pictures: left out or not, findings accepted or not; all of it in the draft."""

from __future__ import annotations

from typing import TYPE_CHECKING

from loratui.screens.wizard import picture_list as picturelist
from loratui.screens.wizard.scan import ScanningStep

if TYPE_CHECKING:
    from loratui.curation.report import Outcome, PictureReport, Report


class PictureDecisions(ScanningStep):
    """Adds the decisions to a step that shows a report."""

    _report: Report | None = None
    _filter: str = picturelist.ALL

    def rows_here(self) -> list[PictureReport | None]:
        """The row under the cursor, None for the whole set; empty where the list is."""
        return []

    def rows_shown(self) -> list[PictureReport | None]:
        """Every row that is shown."""
        return []

    def decided(self) -> None:
        """The draft holds a new decision."""

    def outcome_of(self, report: Report) -> Outcome:
        """What the decisions make of the report."""
        from loratui.curation.report import outcome

        return outcome(report, self.draft.skipped, self.draft.accepted)

    def decide(self, key: str, value: tuple[str, ...]) -> None:
        """Keep `value` under dataset.skip or dataset.accept."""
        self.edit(self.draft.with_settings({key: value or None}))
        if self._report is not None:
            self.edit(self.draft.model_copy(update={"images": len(self.outcome_of(self._report).images)}))
        self.decided()

    def action_skip(self) -> None:
        """Leave the picture out, or take it in again."""
        for picture in self.rows_here():
            if picture is None:
                self.say("This row is about all pictures together; leave out single ones below.", "warn")
                return
            name, skipped = picture.name, self.draft.skipped
            others = tuple(one for one in skipped if one != name)
            self.decide("dataset.skip", others if name in skipped else (*skipped, name))

    def action_accept(self) -> None:
        """Accept all that was found about the row under the cursor, or take that back."""
        self._accept(self.rows_here(), picturelist.ALL)

    def action_accept_shown(self) -> None:
        """Accept for every row that is shown; with one finding chosen, that finding only."""
        self._accept(self.rows_shown(), self._filter)

    def _accept(self, rows: list[PictureReport | None], filter: str) -> None:
        if self._report is None:
            return
        keys = picturelist.to_accept(self._report, rows, filter)
        accepted = self.draft.accepted
        if not keys:
            self.say("There is nothing to accept here; what stops a run must be put right or left out.", "warn")
        elif set(keys) <= set(accepted):
            self.decide("dataset.accept", tuple(one for one in accepted if one not in keys))
        else:
            self.decide("dataset.accept", tuple(dict.fromkeys((*accepted, *keys))))

    def leave_out(self, names: tuple[str, ...]) -> None:
        """Exactly these pictures are left out from now on."""
        self.decide("dataset.skip", names)
