"""A step that needs the pictures checked: the scan in a thread, its progress and its end as messages."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from textual import work
from textual.message import Message
from textual.worker import get_current_worker

from loratui.screens.base import Step
from loratui.screens.checks import effective
from loratui.session import Scan

if TYPE_CHECKING:
    from loratui.curation import Report, ScanSettings


class ScanProgressed(Message):
    """So many pictures were looked at."""

    def __init__(self, done: int, total: int) -> None:
        super().__init__()
        self.done, self.total = done, total


class Scanned(Message):
    """The check is done."""

    def __init__(self, scan: Scan) -> None:
        super().__init__()
        self.scan = scan


class ScanFailed(Message):
    """There is nothing to check; the text says why."""

    def __init__(self, reason: str) -> None:
        super().__init__()
        self.reason = reason


class ScanningStep(Step):
    """`check_pictures` answers with Scanned or ScanFailed; leaving the screen cancels it."""

    def scan_settings(self) -> ScanSettings:
        """What the draft asks the checks to measure against."""
        from loratui.curation import ScanSettings

        values = effective(self.draft)
        return ScanSettings(
            kind=values["kind"],
            resolution=values["train.resolution"],
            trigger=values["dataset.trigger"],
            caption_column=values["dataset.caption_column"],
            instance_prompt=values["dataset.instance_prompt"],
            class_word=values["dataset.class_word"],
            base=values["model.base"],
            tokens=values["pivotal.tokens"] if values["pivotal.enabled"] else 0,
            crop=values["dataset.crop"],
            background=values["dataset.background"],
        )

    def known_report(self) -> Report | None:
        """The report of the session, if it is of these pictures and settings."""
        return self.session.report_for(self.draft.folder, self.scan_settings())

    def check_pictures(self) -> None:
        """Start a scan; one that runs is cancelled."""
        self._scan(self.draft.folder, self.scan_settings())

    @work(thread=True, exclusive=True, group="scan")
    def _scan(self, folder: Path, settings: ScanSettings) -> None:
        from loratui.curation import Cancelled, scan
        from trainer.contract.pictures import NoDataset

        worker = get_current_worker()

        def progress(done: int, total: int, _name: str) -> None:
            self.post_message(ScanProgressed(done, total))

        try:
            report = scan(folder, settings, progress, lambda: worker.is_cancelled)
        except Cancelled:
            return
        except (NoDataset, OSError) as error:
            if not worker.is_cancelled:
                self.post_message(ScanFailed(str(error)))
            return
        if not worker.is_cancelled:
            self.post_message(Scanned(Scan(folder, settings, report)))
