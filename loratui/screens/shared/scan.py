"""A step that needs the pictures checked: the scan in a thread, its progress and its end as messages."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from textual import work
from textual.message import Message
from textual.worker import get_current_worker

from loratui.screens.shared.session import Scan
from loratui.screens.shared.step import Step
from loratui.settings.checks import effective
from loratui.terminal.text import plural

if TYPE_CHECKING:
    from loratui.curation.report import Report
    from loratui.curation.scan import ScanSettings


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


class ScanningStep(Step):
    """`check_pictures` answers with Scanned or ScanFailed; leaving the screen cancels it."""

    def scan_settings(self) -> ScanSettings:
        """What the draft asks the checks to measure against."""
        from loratui.curation.scan import ScanSettings

        return ScanSettings.of_values(effective(self.draft))

    def known_report(self) -> Report | None:
        """The report of the session, if it is of these pictures and settings."""
        return self.session.report_for(self.draft.folder, self.scan_settings())

    def check_pictures(self) -> None:
        """Start a scan; one that runs is cancelled."""
        self._scan(str(self.draft.get("dataset.path")), self.draft.folder, self.scan_settings())

    @work(thread=True, exclusive=True, group="scan")
    def _scan(self, source: str, named: Path, settings: ScanSettings) -> None:
        from loratui.curation import sources as datasource
        from loratui.curation.scan import Cancelled, scan
        from trainer.contract.pictures.folder import NoDataset

        worker = get_current_worker()

        def read(phase: str, done: int, total: int) -> None:
            self.post_message(ScanProgressed(datasource.progress_words(source, phase, done, total)))

        def looked(done: int, total: int, _name: str) -> None:
            self.post_message(ScanProgressed(f"Looked at {done} of {plural(total, 'picture')}."))

        try:
            folder = datasource.as_folder(source, settings, read, lambda: worker.is_cancelled)
            report = scan(folder, settings, looked, lambda: worker.is_cancelled)
        except (Cancelled, datasource.Cancelled):
            return
        except (NoDataset, OSError) as error:
            if not worker.is_cancelled:
                self.post_message(ScanFailed(str(error), getattr(error, "columns", ())))
            return
        if not worker.is_cancelled:
            self.post_message(Scanned(Scan(named, settings, report)))
