"""The key that solves a finding: what there is against it, chosen from a list, taken back by `u`."""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import partial
from typing import TYPE_CHECKING

from textual.content import Content

from loratui.curation.concepts import one_alone, trigger_of
from loratui.curation.groups import FindingGroup, accept_keys, grouped
from loratui.curation.solutions import WHY_NONE, Solution, solutions_of
from loratui.screens.shared.dialogs import Chooser
from loratui.screens.shared.editors import LineEditor
from loratui.screens.shared.step import StepAnswer
from loratui.screens.wizard.best_pictures import NONE_GOOD, BestPictures
from loratui.screens.wizard.captions.by_model import CaptioningJob
from loratui.screens.wizard.captions.writing import unwritten_words
from loratui.screens.wizard.copies import FixedCopies
from loratui.screens.wizard.picture_list import about
from loratui.settings.bases import native_side
from loratui.settings.checks import answers_of, effective
from loratui.settings.steps import suiting_reason, suiting_steps
from loratui.terminal.text import plural, safe_text
from trainer.contract.pictures.tables import FILE_COLUMNS

if TYPE_CHECKING:
    from loratui.curation.report import Box, PictureReport, Report

Offer = tuple[str, Callable[[], None]]  # what is offered, and what does it
COLOURS = (("#ffffff", "white"), ("#808080", "grey"), ("#000000", "black"))
FEW = 3  # a finding about less than one picture of so many is about a few
ALL_OF_THEM = "Every picture has it: without them there is nothing to learn from, so other pictures are needed."
TITLE = 200  # characters of a title: it is read whole
STEP, SMALLER = 64, 768  # px: resolutions are multiples of the first; SDXL draws well from the second on


class SolvingStep(FixedCopies, BestPictures, CaptioningJob):
    """Adds the key to a step that shows findings."""

    def action_solve(self) -> None:
        """Offer what solves the finding under the cursor, or say why nothing here can."""
        for row in self.rows_here():
            if row is None:
                self.say("Each finding below has a row of its own: s there says what solves it.", "warn")
                return
            assert self._report is not None  # it has rows
            groups = grouped(about(self._report, row))
            offers = [offer for group in groups for offer in self._offers(group)]
            if not offers:
                why = [WHY_NONE[one.code] for one in groups if one.code in WHY_NONE]
                nothing = ALL_OF_THEM if any(self._is_all(one) for one in groups) else "There is nothing to solve here."
                if any(way.name == "best" for one in groups for way in solutions_of(one.code)):
                    nothing = NONE_GOOD  # what would solve it was not offered
                self.say(why[0] if why else nothing, "warn")
                return
            self._ask_which(row.words if isinstance(row, FindingGroup) else safe_text(row.name), offers)

    def _ask_which(self, title: str, offers: list[Offer]) -> None:
        lines = [(str(place), Content(safe_text(words))) for place, (words, _) in enumerate(offers)]

        def take(answer: str | None) -> None:
            if answer is not None:
                offers[int(answer)][1]()

        self.app.push_screen(Chooser(safe_text(title, TITLE), lines, "0"), take)

    def _offers(self, group: FindingGroup) -> list[Offer]:
        solutions = list(solutions_of(group.code, self.some_good()))
        if FEW * len(self._pictures_of(group)) < len(self._trained()):  # a few do not decide for the whole set
            solutions.sort(key=lambda one: one.name == "resolution")
        return [offer for one in solutions for offer in self._offers_of(one, group)]

    def _offers_of(self, one: Solution, group: FindingGroup) -> list[Offer]:
        """What a solution comes to for these findings; nothing where it does not hold for them."""
        match one.name:
            case "resolution":
                return self._resolutions(group)
            case "steps":
                steps = suiting_steps(self.draft)
                said = f"train {plural(steps, 'step')} ({suiting_reason(self.draft)})"
                return [(said, lambda: self._steps(steps))] if steps else []
            case "leave-out":
                names = tuple(picture.name for picture in self._pictures_of(group))
                words = f"skip {plural(len(names), 'picture')}"
                return [(words, lambda: self.leave_out(names))] if names and not self._is_all(group) else []
            case "accept":
                return [(one.words, lambda: self._accept([group], group.code))] if group.acceptable else []
            case "crop":
                crops = self._crops_of(group)
                words = f"{self._cropped_to(crops) or one.words}: {plural(len(crops), 'picture')}"
                make = partial(self._with_report, lambda report: self.ask_for_copies(report, crops))
                return [(words, make)] if crops else []
            case "unbar":
                barred = frozenset(group.files)
                make = partial(self._with_report, lambda report: self.ask_for_copies(report, {}, barred))
                return [(one.words, make)]
            case "mask":
                masks = self._masks_of(group)
                words = f"{one.words}: {plural(len(masks), 'picture')}"
                make = partial(self._with_report, lambda report: self.ask_for_copies(report, masks=masks))
                return [(words, make)] if masks else []
            case "edit":
                names = tuple(picture.name for picture in self._pictures_of(group))
                if not names and group.files:
                    return []
                return [(one.words, lambda: self.open_workbench(names, at=next(iter(names), "")))]
        deeds: dict[str, Callable[[], None]] = {
            "best": lambda: self._with_report(self.propose_best),
            "copies": lambda: self._with_report(partial(self.ask_for_copies, names=group.files)),
            "trigger": lambda: self._put_trigger(group),
            "caption": lambda: self._with_report(self.ask_for_captions),
            "background": self._ask_background,
            "column": lambda: self._ask_column(_columns(group)),
        }
        return [(one.words, deeds[one.name])]

    def open_workbench(self, only: Collection[str] = (), at: str = "") -> None:
        """Captions to edit: of `only` these pictures or all, ready to type at one; what comes of it is in the draft."""
        from loratui.screens.wizard.captions.workbench import CaptionWorkbench

        if self._report is not None:
            bench = CaptionWorkbench(self.draft, self.session, self._report, self.edit, only, at)
            self.app.push_screen(bench, self._captions_edited)

    def _captions_edited(self, written: StepAnswer) -> None:
        if written is not None:
            self.captions_written()
            return
        self.decided()
        if self.draft.captions:
            self.say(unwritten_words(self.draft), "warn")

    def _ask_column(self, columns: tuple[str, ...]) -> None:
        """Ask for the caption column and look again."""
        words = "The column of the table, or ending of the files, that holds the captions."
        words += f" inside: what the pictures say themselves; {FILE_COLUMNS[0]}: their names."

        def take(column: str | None) -> None:
            if column and column.strip():
                change = {"dataset.caption_column": column.strip()}
                self.do(f"Captions are read from '{safe_text(column, 30)}'.", self.draft.with_settings(change))

        self.app.push_screen(LineEditor("Caption column", safe_text(columns[0] if columns else "", 60), words), take)

    def _with_report(self, deed: Callable[[Report], None]) -> None:
        if self._report is not None:
            deed(self._report)

    def _crops_of(self, group: FindingGroup) -> dict[str, Box]:
        """Where its pictures can be cut so that they show the person meant alone."""
        from loratui.curation.copies.crops import crops_of
        from loratui.curation.people.persons import person_meant

        meant = None if self._report is None else person_meant(self._report.pictures)
        return crops_of(self._pictures_of(group), meant)

    def _cropped_to(self, crops: Collection[str]) -> str:
        """To what these are cropped; nothing where some have a face and others are a collage without one."""
        faces = {bool(one.boxes) for one in self._trained() if one.name in crops}
        if len(faces) != 1:
            return ""
        return f"make copies cropped {'around the face' if faces.pop() else 'to the largest picture of the collage'}"

    def _masks_of(self, group: FindingGroup) -> dict[str, Box]:
        """What counts of each picture that is trained: the rest of it is to be no part of what is learned."""
        from loratui.curation.copies.masks import FACE, masks_of
        from loratui.curation.people.persons import person_meant

        found = () if self._report is None else one_alone(self._report, self.concept_of(group.files)).pictures
        return masks_of((one for one in found if one.name not in self.draft.skipped), person_meant(found), FACE)

    def _pictures_of(self, group: FindingGroup) -> list[PictureReport]:
        return [one for one in self._trained() if one.name in group.files]

    def _trained(self) -> list[PictureReport]:
        skipped = set(self.draft.skipped)
        return [] if self._report is None else [one for one in self._report.pictures if one.name not in skipped]

    def _is_all(self, group: FindingGroup) -> bool:
        """Whether it is about every picture: without them there is nothing to learn from."""
        return 0 < len(self._pictures_of(group)) == len(self._trained())

    def _resolutions(self, group: FindingGroup) -> list[Offer]:
        """Sides that the pictures have, and that of the base model; first what three of four of them have."""
        now, native = int(effective(self.draft)["train.resolution"]), native_side(answers_of(self.draft))
        shorts = sorted(min(one.width, one.height) // STEP * STEP for one in self._pictures_of(group))
        if not shorts:
            return []
        least = max(STEP, native // 2)  # below half of its own side a base model has little to learn from
        sides = {side for side in (shorts[0], shorts[len(shorts) // 4], SMALLER) if least <= side < now}
        have = {side: sum(one >= side for one in shorts) for side in sides}
        order = sorted(sides, key=lambda side: (4 * have[side] < 3 * len(shorts), -side))
        offers = [(side, self._have_words(side)) for side in order if have[side]]
        if native not in (0, now):
            offers.append((native, "the base model was made for it"))
        found: list[Offer] = [(f"train at {side} px: {why}", partial(self._resolution, side)) for side, why in offers]
        if least < now and not any(have.values()):  # smaller than any: enlarged all the same, but less
            less = f"train at {least} px, the least for this base model, and accept that they are enlarged to it"
            found.insert(0, (less, partial(self._resolution, least, accept_keys(group.findings))))
        return found

    def _have_words(self, side: int) -> str:
        """How many of all pictures that are trained have it: it is the resolution of the whole run."""
        trained = self._trained()
        count = sum(min(one.width, one.height) >= side for one in trained)
        return f"large enough: {count} of {plural(len(trained), 'picture')}"

    def _resolution(self, side: int, accepted: tuple[str, ...] = ()) -> None:
        changes: dict[str, object] = {"train.resolution": side}
        if accepted:
            changes["dataset.accept"] = tuple(dict.fromkeys((*self.draft.accepted, *accepted)))
        self.do(f"Trained at {side} px.", self.draft.with_settings(changes))

    def _steps(self, steps: int) -> None:
        self.do(f"{plural(steps, 'step')}.", self.draft.with_settings({"train.steps": steps}))

    def _put_trigger(self, group: FindingGroup) -> None:
        from loratui.curation.copies.captions import with_trigger
        from loratui.curation.guess import trigger_before

        values, captions = effective(self.draft), dict(self.draft.captions)
        words: dict[str, None] = {}
        found = () if self._report is None else self._report.pictures
        before = trigger_before([one.caption for one in found if one.caption], trigger_of(values))
        for one in self._pictures_of(group):
            trigger = trigger_of(values, one.name)
            text, done = with_trigger(captions.get(one.name, one.caption or ""), trigger, before)
            if done:
                captions[one.name] = " ".join(text.split())
                words[trigger] = None
        changed = len(captions) - len(self.draft.captions)
        shown = safe_text("', '".join(words), 40)
        said = f"'{shown}' put into {plural(changed, 'caption')}; F2 asks before it writes them."
        self.do(said, self.draft.with_fields(captions=captions))

    def _ask_background(self) -> None:
        lines = [(colour, Content(f"{word}  {colour}")) for colour, word in COLOURS]
        now = str(effective(self.draft)["dataset.background"])

        def take(colour: str | None) -> None:
            if colour is not None:
                self.do(f"Laid on {colour}.", self.draft.with_settings({"dataset.background": colour}))

        self.app.push_screen(Chooser("Under transparent parts", lines, now), take)


def _columns(group: FindingGroup) -> tuple[str, ...]:
    """The columns or endings that the finding names; the pictures' names, or their insides, where it names none."""
    if group.code == "captions-in-names":
        return FILE_COLUMNS[:1]
    values = [value for one in group.findings if isinstance(one.value, list | tuple) for value in one.value]
    return tuple(str(one) for one in values) or ("inside",)
