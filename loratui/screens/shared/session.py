"""What the wizard knows beyond the draft while it runs: the last check of the pictures, shared between steps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from loratui.settings.drafts.draft import Draft
from loratui.settings.drafts.store import DraftStore
from loratui.settings.drafts.undo import Decision

if TYPE_CHECKING:
    from loratui.curation.report import Report
    from loratui.curation.scan import ScanSettings
    from loratui.planning.hardware import Asked, Machine
    from loratui.sweeps.declaration import Axis
    from trainer.contract.settings.taught import Taught


@dataclass(frozen=True)
class Scan:
    """One check of the pictures, and what it was made for."""

    folder: Path
    settings: ScanSettings
    report: Report
    concepts: tuple[Taught, ...] = ()  # beside that of the folder


def look_here(device: Asked) -> Machine:
    """The machine that the program runs on; slow."""
    from loratui.planning.hardware import look

    return look(device)


Decisions = dict[str, tuple[str, ...]]  # dataset.skip and dataset.accept


@dataclass
class Session:
    """Lost on exit, made again when needed. `look` tells what there is to train on: another one plans for another."""

    look: Callable[[Asked], Machine] = look_here
    scan: Scan | None = None
    keep: Callable[[Draft], None] = lambda _: None  # writes the draft to disk
    drafts: DraftStore = field(default_factory=DraftStore)
    decisions: dict[str, Decisions] = field(default_factory=dict)  # by folder, for who comes back to one
    undo: list[Decision] = field(default_factory=list)  # decisions on pictures and plan, the last one last
    redo: list[Decision] = field(default_factory=list)  # those that were taken back, the last one last
    asked: dict[str, str] = field(default_factory=dict)  # by folder: the pictures that were looked at for a guess
    axes: tuple[Axis, ...] = ()  # of a sweep that was begun to be built, and its seeds
    seeds: int = 1
    gpus: int = 1  # that share the run
    news: str = ""  # what was done to the pictures' files, told once they were looked at again
    looked_at: Path | None = None  # a run chosen in the list of all runs, to which its screen goes back
    typed: dict[str, str] = field(default_factory=dict)  # by the draft's folder: the one that stands in the line for it

    @property
    def unopened(self) -> bool:
        """Whether a folder was typed and neither opened nor taken into the draft: leaving drops it."""
        return any(self.typed.values())

    def forget_decisions(self) -> None:
        """Neither back nor again: they were about other pictures, or are on disk by now."""
        self.undo.clear()
        self.redo.clear()

    def undecided(self, draft: Draft) -> bool | None:
        """Whether the last check of the draft's pictures left something to decide; None where none was made."""
        if self.scan is None or self.scan.folder != draft.folder:
            return draft.undecided
        from loratui.curation.report import outcome

        return bool(outcome(self.scan.report, draft.skipped, draft.accepted).to_decide)

    def report_for(self, folder: Path, settings: ScanSettings, concepts: tuple[Taught, ...] = ()) -> Report | None:
        """The report of the last scan, if it was of the same folders with the same settings."""
        scan, wanted = self.scan, (folder, settings, concepts)
        return scan.report if scan and (scan.folder, scan.settings, scan.concepts) == wanted else None
