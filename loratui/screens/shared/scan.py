"""A step that needs the pictures checked: the scan in a thread, its progress and its end as messages."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from textual import on, work
from textual.message import Message
from textual.worker import get_current_worker

from loratui.screens.shared.session import Scan
from loratui.screens.shared.step import Step
from loratui.settings.checks import answers_of, effective
from loratui.settings.drafts.draft import Draft
from loratui.settings.problems import AnswersError
from loratui.terminal.text import os_sentence, plural

if TYPE_CHECKING:
    from loratui.curation.report import Report
    from loratui.curation.scan import ScanSettings
    from trainer.contract.settings.taught import Taught


class ScanProgressed(Message):
    """So many pictures were looked at, or so much of a data set was read."""

    def __init__(self, words: str) -> None:
        super().__init__()
        self.words = words


class Scanned(Message):
    """The check is done."""

    def __init__(self, scan: Scan) -> None:
        super().__init__()
        self.scan = scan


class ScanFailed(Message):
    """There is nothing to check; the text says why. `columns`: where a caption column is to be chosen among them."""

    def __init__(self, reason: str, columns: tuple[str, ...] = ()) -> None:
        super().__init__()
        self.reason, self.columns = reason, columns


def concepts_beside(draft: Draft) -> tuple[Taught, ...]:
    """The concepts that are learned beside that of the folder, as far as a check of their pictures asks."""
    from loratui.settings.resolve import resolve
    from trainer.contract.settings.taught import taught

    if not draft.values.get("concepts"):
        return ()
    try:
        found = taught(resolve(answers_of(draft)).config)[1:]
    except AnswersError:  # said where it was typed
        return ()
    return tuple(replace(one, repeats=1, loss_weight=1.0, skip=(), accept=(), classes=None) for one in found)


class ScanningStep(Step):
    """`check_pictures` answers with Scanned or ScanFailed; leaving the screen cancels it."""

    def scan_settings(self) -> ScanSettings:
        """What the draft asks the checks to measure against."""
        from loratui.curation.scan import ScanSettings

        return ScanSettings.of_values(effective(self.draft))

    def looks_at(self) -> tuple[Path, ScanSettings, tuple[Taught, ...]]:
        """What is to be checked: the folder, by which settings, and the concepts beside it."""
        return self.draft.folder, self.scan_settings(), concepts_beside(self.draft)

    def known_report(self) -> Report | None:
        """The report of the session, if it is of these pictures and settings."""
        return self.session.report_for(*self.looks_at())

    def check_pictures(self) -> None:
        """Start a scan; one that runs is cancelled."""
        self._scan(str(self.draft.get("dataset.path")), *self.looks_at())

    @work(thread=True, exclusive=True, group="scan")
    def _scan(self, source: str, named: Path, settings: ScanSettings, concepts: tuple[Taught, ...]) -> None:
        from loratui.curation import sources as datasource
        from loratui.curation.concepts import with_concepts
        from loratui.curation.scan import Cancelled, scan
        from trainer.contract.pictures.folder import NoDataset

        worker = get_current_worker()

        def read(one: str, phase: str, done: int, total: int) -> None:
            self.post_message(ScanProgressed(datasource.progress_words(one, phase, done, total)))

        def looked(done: int, total: int, _name: str) -> None:
            self.post_message(ScanProgressed(f"Looked at {done} of {plural(total, 'picture')}."))

        try:

            def look(one: str, own: ScanSettings) -> Report:
                folder = datasource.as_folder(one, own, partial(read, one), lambda: worker.is_cancelled)
                return scan(folder, own, looked, lambda: worker.is_cancelled)

            report = with_concepts(look(source, settings), concepts, settings, look)
        except (Cancelled, datasource.Cancelled):
            return
        except (NoDataset, OSError) as error:
            if not worker.is_cancelled:
                self.post_message(ScanFailed(os_sentence(error), getattr(error, "columns", ())))
            return
        if not worker.is_cancelled:
            judged = report if settings.trigger else untriggered(report)
            self.post_message(Scanned(Scan(named, settings, judged, concepts)))


def untriggered(report: Report) -> Report:
    """What is found while no trigger is chosen: no caption can lack one yet."""
    kept = [tuple(f for f in one.findings if f.code != "trigger-missing") for one in report.pictures]
    pictures = [replace(one, findings=found) for one, found in zip(report.pictures, kept, strict=True)]
    return replace(report, pictures=tuple(pictures))


class CountingStep(ScanningStep):
    """A step that shows what follows from the number of pictures: one that nobody knows yet is found out."""

    def on_mount(self) -> None:
        """Look at the pictures of a draft that came past the step that does, such as an old run's answers."""
        if self.draft.get("dataset.path") and not self.draft.images:
            self.check_pictures()

    @on(Scanned)
    def _counted(self, event: Scanned) -> None:
        from loratui.curation.report import outcome

        self.session.scan = event.scan
        found = len(outcome(event.scan.report, self.draft.skipped, self.draft.accepted).images)
        self.edit(self.draft.with_fields(images=found))
        self.counted()

    def counted(self) -> None:
        """The number is known now."""
