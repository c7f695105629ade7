"""Runs every check over a folder: one pass, one report, no file changed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from loratui.curation.captions import caption_findings, problem_findings
from loratui.curation.duplicates import with_duplicates
from loratui.curation.files import open_picture
from loratui.curation.report import Finding, PictureReport, Report
from loratui.curation.size import size_findings
from trainer.contract.config import BY_KEY, TrainConfig
from trainer.contract.pictures import Picture, list_pictures

NOT_CHECKED = ("faces", "framing", "blurry", "upscaled", "near-duplicates", "variety")

Progress = Callable[[int, int, str], None]  # done, total, the picture looked at


class Cancelled(Exception):
    """The scan was told to stop before its end."""


@dataclass(frozen=True)
class ScanSettings:
    """What the checks measure against."""

    kind: str = BY_KEY["kind"].default
    resolution: int = BY_KEY["train.resolution"].default  # px
    trigger: str = BY_KEY["dataset.trigger"].default
    caption_column: str = BY_KEY["dataset.caption_column"].default
    instance_prompt: str = BY_KEY["dataset.instance_prompt"].default
    subset: str = BY_KEY["dataset.subset"].default  # this and the split: which part of a data set was looked at
    split: str = BY_KEY["dataset.split"].default

    @classmethod
    def of(cls, config: TrainConfig) -> ScanSettings:
        """The settings of a resolved run."""
        data = config.dataset
        words = (data.trigger, data.caption_column, data.instance_prompt, data.subset, data.split)
        return cls(config.kind, config.train.resolution, *words)


def scan(
    folder: Path,
    settings: ScanSettings | None = None,
    progress: Progress | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Report:
    """Look at every picture of `folder`. Raises NoDataset with a sentence, or Cancelled."""
    settings = settings or ScanSettings()
    listing = list_pictures(folder, settings.caption_column)
    problems = problem_findings(listing.problems)
    total = len(listing.pictures)
    reports = []
    for number, picture in enumerate(listing.pictures):
        if cancelled is not None and cancelled():
            raise Cancelled
        if progress is not None:
            progress(number, total, picture.name)
        reports.append(_look_at(picture, settings))
    if progress is not None:
        progress(total, total, "")
    names = {one.name for one in reports}
    of_pictures = [one for one in problems if one.file in names]
    pictures = tuple(_with_problems(one, of_pictures) for one in with_duplicates(reports))
    of_set = tuple(one for one in problems if one.file not in names)
    return Report(folder, settings.kind, pictures, of_set, NOT_CHECKED)


def _look_at(picture: Picture, settings: ScanSettings) -> PictureReport:
    opened = open_picture(picture.name, picture.path)
    findings = [opened.problem] if opened.problem else []
    if not opened.problem:
        findings += size_findings(picture.name, opened.width, opened.height, settings.resolution)
    findings += caption_findings(picture.name, picture.caption, settings.trigger, settings.instance_prompt)
    return PictureReport(
        name=picture.name,
        path=picture.path,
        opens=opened.problem is None,
        width=opened.width,
        height=opened.height,
        caption=picture.caption,
        caption_source=picture.source,
        sha256=opened.sha256,
        findings=tuple(findings),
    )


def _with_problems(report: PictureReport, problems: list[Finding]) -> PictureReport:
    mine = tuple(one for one in problems if one.file == report.name)
    return replace(report, findings=report.findings + mine) if mine else report
