"""Copies that are put right, from the wizard: into a folder that the person names, then offered for use."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from textual import on, work
from textual.message import Message
from textual.worker import get_current_worker

from loratui.curation.concepts import of_others, one_alone
from loratui.screens.shared.editors import Form
from loratui.screens.shared.questions import Confirm
from loratui.screens.wizard.decisions import PictureDecisions, of_title
from loratui.settings.checks import effective, problems
from loratui.settings.drafts.draft import Draft
from loratui.settings.names import COPIES
from loratui.terminal.text import os_sentence, plural, safe_text, show_path
from trainer.contract.paths import expanded
from trainer.contract.pictures.problems import accept_key
from trainer.contract.settings.concepts import FIRST, KEY, number_of, prefix_of

if TYPE_CHECKING:
    from loratui.curation.copies.folder import FixResult, FixSettings
    from loratui.curation.report import Box, Report

FOLDER, TRIGGER = "folder", "trigger"
WORDS = (
    "Copies of {count}{of}: turned upright, in usual colours (8-bit sRGB), without see-through parts and metadata. "
    "Captions are in UTF-8, with your edits; the trigger is added where it is missing. FIXED.json in the new folder "
    "says what was done.\n\n"
    "The originals stay as they are."
)


class CopyProgressed(Message):
    """So many pictures were copied."""

    def __init__(self, done: int, total: int) -> None:
        super().__init__()
        self.done, self.total = done, total


class Copied(Message):
    """The copies are there."""

    def __init__(self, result: FixResult, typed: str) -> None:
        super().__init__()
        self.result, self.typed = result, typed  # `typed`: the folder as the person wrote it


class CopyFailed(Message):
    """There are no copies; the text says why."""

    def __init__(self, reason: str) -> None:
        super().__init__()
        self.reason = reason


class FixedCopies(PictureDecisions):
    """Adds "fix a copy" to a step that shows pictures."""

    _crops: Mapping[str, Box] = MappingProxyType({})
    _barred: frozenset[str] = frozenset()
    _masks: Mapping[str, Box] = MappingProxyType({})
    _copied_concept: int = 1  # whose pictures are copied

    def ask_for_copies(
        self,
        report: Report,
        crops: Mapping[str, Box] = MappingProxyType({}),
        barred: frozenset[str] = frozenset(),
        masks: Mapping[str, Box] = MappingProxyType({}),
        names: Iterable[str] = (),
    ) -> None:
        """Ask for the folder and the trigger, then start; with the crop or mask of each picture, or without bars.

        Of several concepts it is one: see `concept_of`, which `names` decides.
        """
        number = self._copied_concept = self.concept_of((*crops, *barred, *masks, *names))
        crops, masks = ({one: box for one, box in own.items() if number_of(one) == number} for own in (crops, masks))
        barred = frozenset(one for one in barred if number_of(one) == number)
        self._crops, self._barred, self._masks = crops, barred, masks
        place, trigger, _ = self._taught(number)
        typed, of = place.rstrip("/"), of_title(number)
        report = one_alone(report, number)
        count = len(report.pictures) - len(set(self.draft.skipped) & {one.name for one in report.pictures})
        fields = [
            (FOLDER, f"{typed}-{COPIES[0 if crops or barred else 1 if masks else 2]}", "a new folder"),
            (TRIGGER, trigger, "empty: no caption gets one"),
        ]
        words = WORDS.format(count=plural(count, "picture"), of=of)
        if crops:
            words = f"{self._crop_words(report, crops)}\n\n{words}"
        if masks:
            words = (
                f"{plural(len(masks), 'picture')} with a mask: the loss is masked, and counts nothing else.\n\n{words}"
            )
        if barred:
            words = f"{plural(len(barred), 'picture')} without bars and frames.\n\n{words}"
        title = f"Make {'a fixed copy' if count == 1 else 'fixed copies'} of {plural(count, 'picture')}{of}"
        self.app.push_screen(Form(title, words, fields, self._wrong_copy, does="Write the copies"), self._begin)

    def _crop_words(self, report: Report, crops: Mapping[str, Box]) -> str:
        """What is cropped to what, and how large that will be."""
        from loratui.curation.copies.crops import crop_size_words

        found = [one for one in report.pictures if one.name in crops]
        to = [
            (sum(bool(one.boxes) for one in found), "cropped to a square around the face that is meant."),
            (sum(not one.boxes for one in found), "cropped to the largest picture of the collage."),
        ]
        said = " ".join(f"{plural(count, 'picture')} {words}" for count, words in to if count)
        sizes, small = crop_size_words(found, crops, int(effective(self.draft)["train.resolution"]))
        return f"{said}\n! {sizes}" if small else f"{said} {sizes}"

    def _taught(self, number: int) -> tuple[str, str, str]:
        """Folder as it was typed, trigger and caption column of a concept."""
        if (beside := self.concept_beside(number)) is not None:
            return str(self.draft.get(KEY)[number - FIRST]["path"]), beside.trigger, beside.caption_column
        values = effective(self.draft)
        return (
            str(self.draft.get("dataset.path")),
            str(self.draft.get("dataset.trigger")),
            values["dataset.caption_column"],
        )

    def _wrong_copy(self, given: dict[str, str]) -> str:
        if not given[FOLDER]:
            return "Name a folder; it need not be there yet."
        trigger = given[TRIGGER]
        changes = {"dataset.trigger": trigger, "dataset.instance_prompt": trigger}
        return problems(self.draft, changes).get("dataset.trigger", "") if trigger else ""

    def _begin(self, given: dict[str, str] | None) -> None:
        from loratui.curation.copies.folder import FixSettings

        if given is None:
            return
        number = self._copied_concept
        before = prefix_of(number)

        def own(names: Iterable[str]) -> list[str]:
            return [one for one in names if number_of(one) == number]

        settings = FixSettings(
            trigger=given[TRIGGER],
            background=effective(self.draft)["dataset.background"],
            caption_column=self._taught(number)[2],
            skip=tuple(one.removeprefix(before) for one in own(self.draft.skipped)),
            kind=effective(self.draft)["kind"],
            captions={one.removeprefix(before): self.draft.captions[one] for one in own(self.draft.captions)},
            crops={one.removeprefix(before): box for one, box in self._crops.items()},
            barred=frozenset(one.removeprefix(before) for one in self._barred),
            masks={one.removeprefix(before): box for one, box in self._masks.items()},
        )
        self.say("Copying ...")
        folder = self.draft.folder
        if number >= FIRST and self._report is not None:
            folder = self._folder_of(number)
        self._copy(folder, given[FOLDER], settings)

    @work(thread=True, exclusive=True, group="copy")
    def _copy(self, folder: Path, typed: str, settings: FixSettings) -> None:
        from loratui.curation.copies.folder import CannotWrite, FixCancelled, fix_pictures
        from trainer.contract.pictures.folder import NoDataset

        worker = get_current_worker()

        def progress(done: int, total: int, _name: str) -> None:
            self.post_message(CopyProgressed(done, total))

        try:
            into = expanded(typed)
            result = fix_pictures(folder, into, settings, progress, lambda: worker.is_cancelled)
        except FixCancelled:
            return
        except (NoDataset, CannotWrite, OSError) as error:
            self.post_message(CopyFailed(os_sentence(error)))
            return
        self.post_message(Copied(result, typed))

    @on(CopyProgressed)
    def _progressed_copy(self, event: CopyProgressed) -> None:
        self.say(f"Copied {event.done} of {plural(event.total, 'picture')}.")

    @on(CopyFailed)
    def _failed_copy(self, event: CopyFailed) -> None:
        self.say(safe_text(event.reason), "bad")

    @on(Copied)
    def _copied(self, event: Copied) -> None:
        from loratui.curation.copies.folder import fix_lines

        result = event.result
        self.say(f"{plural(len(result.copies), 'copy', 'copies')} in {show_path(event.typed)}.", "good")
        *lines, count = fix_lines(result)
        body = "\n".join([count, "", *sorted(lines, key=lambda line: line.startswith(" "))])  # what was done first
        question = Confirm("Train on the copies?", body, "Use the copies", "Stay with the originals")
        self.app.push_screen(question, lambda yes: self._use_copies(event) if yes else None)

    def _use_copies(self, event: Copied) -> None:
        self.do(
            "The copies are trained, not the originals.",
            with_copies(self.draft, event.result, event.typed, self._copied_concept),
        )


def with_copies(draft: Draft, result: FixResult, typed: str, number: int = 1) -> Draft:
    """The draft on the folder of the copies of a concept; what was accepted of a picture holds for its copy too."""
    before = prefix_of(number)
    names = {before + old: before + new for old, new in result.copies.items()} | ({} if before else {"": ""})
    keys = (key.partition(":") for key in draft.accepted)
    accepted = tuple(accept_key(code, names[file]) for code, _, file in keys if file in names)
    accepted += of_others(draft.accepted, number)
    changes: dict[str, Any] = {"dataset.path": typed}
    if before:
        tables = [dict(one) for one in draft.get(KEY)]
        tables[number - FIRST]["path"] = typed
        changes = {KEY: tuple(tables)}
    changes["dataset.skip"] = of_others(draft.skipped, number) or None
    if any(step.code == "mask" for one in result.pictures for step in one.done):
        changes["mask.enabled"] = True
    kept = {name: draft.captions[name] for name in of_others(draft.captions, number)}
    return draft.with_settings({**changes, "dataset.accept": accepted or None}).with_fields(captions=kept)
