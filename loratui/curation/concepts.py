"""The pictures of all concepts of a run as one report: each folder checked by its own words, under a run's names."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from loratui.curation.report import Finding, PictureReport, Report
from loratui.curation.scan import Progress, ScanSettings, scan
from trainer.contract.paths import expanded
from trainer.contract.pictures.folder import NoDataset
from trainer.contract.settings.concepts import FIRST
from trainer.contract.settings.config import TrainConfig
from trainer.contract.settings.taught import Taught, taught


def scan_run(
    config: TrainConfig,
    folder: Path,
    progress: Progress | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Report:
    """The report of a run whose first concept's pictures lie in `folder`. Raises NoDataset, or Cancelled."""
    settings = ScanSettings.of(config)
    report = scan(folder, settings, progress, cancelled)
    return beside(report, settings, taught(config), progress, cancelled)


def beside(
    report: Report,
    settings: ScanSettings,
    concepts: tuple[Taught, ...],
    progress: Progress | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Report:
    """`report`, which is of the first of `concepts`, with what there is to say of the others. Raises as `scan_run`."""
    for one in concepts:
        if one.number >= FIRST:
            try:
                found = scan(expanded(one.path), settings_of(one, settings), progress, cancelled)
            except NoDataset as error:
                raise NoDataset(one.said(str(error))) from None
            report = joined(report, found, one)
    return report


def settings_of(concept: Taught, settings: ScanSettings) -> ScanSettings:
    """What its pictures are checked against; whether they are seen often enough is asked of all together."""
    return replace(
        settings,
        trigger=concept.trigger,
        class_word=concept.class_word,
        instance_prompt=concept.prompt,
        caption_column=concept.caption_column,
        prompts=(),
        steps=0,
    )


def joined(report: Report, other: Report, concept: Taught) -> Report:
    """Both, with the names and sentences of `other` as a run says them."""
    pictures = tuple(_named(one, concept) for one in other.pictures)
    findings = tuple(_finding(one, concept) for one in other.findings)
    summary = tuple(concept.said(one) for one in other.summary)
    return replace(
        report,
        pictures=report.pictures + pictures,
        findings=report.findings + findings,
        summary=report.summary + summary,
        not_checked=tuple(one for one in report.not_checked if one in other.not_checked),
    )


def _named(picture: PictureReport, concept: Taught) -> PictureReport:
    before = concept.prefix
    return replace(
        picture,
        name=before + picture.name,
        findings=tuple(_finding(one, concept) for one in picture.findings),
        duplicates=tuple(before + one for one in picture.duplicates),
        better=tuple(before + one for one in picture.better),
    )


def _finding(one: Finding, concept: Taught) -> Finding:
    if one.file:
        return replace(one, file=concept.prefix + one.file)
    return replace(one, message=concept.said(one.message))
