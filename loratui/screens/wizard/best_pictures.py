"""Few and good beats many: "keep the best n" proposes which pictures stay and says why; the person decides."""

from __future__ import annotations

from typing import TYPE_CHECKING

from loratui.curation.concepts import of_others, one_alone
from loratui.screens.shared.editors import LineEditor
from loratui.screens.shared.questions import Confirm
from loratui.screens.wizard.decisions import PictureDecisions, of_title
from loratui.terminal.text import plural, safe_text

if TYPE_CHECKING:
    from loratui.curation.checks.best_pictures import KeptPicture
    from loratui.curation.report import Report

# what the sources trained on: the post's faces 6 to 10, its mascot 31, its style 27, DreamBooth's things 4 to 6
USUAL = {"face": 10, "object": 6, "character-style": 31, "style": 27, "one-picture": 1}
NONE_GOOD = "None of the pictures is good enough to keep: add better ones."


class BestPictures(PictureDecisions):
    """Adds the proposal to a step that shows pictures."""

    def some_good(self) -> bool:
        """Whether keeping the best would keep any; what was not looked at yet may be."""
        from loratui.curation.checks.best_pictures import good_ones

        if self._report is None:
            return True
        return bool(good_ones(one_alone(self._report, self.concept_shown or 1), self.draft.skipped))

    def propose_best(self, report: Report) -> None:
        """Ask how many, then show which; of several concepts the one that is shown alone, else that of the folder."""
        number = self.concept_shown or 1
        report, of = one_alone(report, number), of_title(number)
        whole = sum(one.opens and one.name not in self.draft.skipped for one in report.pictures)
        if not whole:
            self.say("No picture is left to choose from; space brings one back.", "warn")
            return
        usual = min(whole, USUAL.get(report.kind, whole))
        words = (
            f"Of the {plural(whole, 'picture')}{of} that are not skipped keep the best, by what the check found. "
            "You see which ones before anything is skipped."
        )

        def check(typed: str) -> str:
            right = typed.strip().isdecimal() and 1 <= int(typed) <= whole
            return "" if right else f"Type a number from 1 to {whole}."

        def take(typed: str | None) -> None:
            if typed is not None:
                self._ask(report, int(typed), number)

        self.app.push_screen(LineEditor("Keep the best: how many?", str(usual), words, check), take)

    def _ask(self, report: Report, count: int, number: int) -> None:
        from loratui.curation.checks.best_pictures import good_words, keep_best

        kept = keep_best(report, count, self.draft.skipped)
        good = good_words(report, self.draft.skipped)
        if not kept:
            self.say(f"{NONE_GOOD} ({good})", "warn")
            return
        stay = {one.name for one in kept}
        others = tuple(one.name for one in report.pictures if one.name not in stay)
        beside = of_others(self.draft.skipped, number)
        title = f"Keep these {len(kept)}, skip {len(others)}?"
        body = proposal(kept, others, good if len(kept) < count else "")
        self.app.push_screen(
            Confirm(title, body, "Keep these", "Leave all as it is"),
            lambda yes: self.decide(f"Kept: the best {len(kept)}.", "dataset.skip", others + beside) if yes else None,
        )


def proposal(kept: tuple[KeptPicture, ...], others: tuple[str, ...], good: str = "") -> str:
    """Each picture that stays with its reason, the best first, then the names of the others.

    `good` says how many are good, where that is fewer than were asked for.
    """
    lines = [f"{number:>3}. {safe_text(one.name)}\n     {safe_text(one.reason)}" for number, one in enumerate(kept, 1)]
    out = ", ".join(safe_text(name) for name in others) or "none"
    few = ["", f"No more are good: {good}."] if good else []
    return "\n".join([*lines, *few, "", f"Skipped: {out}", "", "No file is touched; space brings a picture back."])
