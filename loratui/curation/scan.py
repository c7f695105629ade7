"""Runs every check over a folder: one pass, one report, no file changed."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotYet
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from loratui.curation.cache import ScanCache
from loratui.curation.checks.caption_faults import fault_findings
from loratui.curation.checks.caption_offers import offers
from loratui.curation.checks.caption_words import wording_findings
from loratui.curation.checks.captions import (
    caption_findings,
    length_findings,
    problem_findings,
    raw_caption,
    raw_findings,
    syntax_findings,
)
from loratui.curation.checks.colours import SAME_CLOTHES, SAME_GROUND, look_groups
from loratui.curation.checks.conversions import converted_findings, turned_findings
from loratui.curation.checks.duplicates import relate, with_duplicates
from loratui.curation.checks.folder import look_into
from loratui.curation.checks.measure import PictureMeasure, measure
from loratui.curation.checks.quality import blurry, quality_findings, with_flattened
from loratui.curation.checks.same_shot import MOST, SameShots
from loratui.curation.checks.size import face_cut, size_findings
from loratui.curation.checks.whole_set import set_findings, summary, views_findings
from loratui.curation.not_checked import NEVER, NEVER_OF_PEOPLE
from loratui.curation.people.faces import turned
from loratui.curation.people.framing import PEOPLE, counted, face_findings, framing, mix_findings
from loratui.curation.people.persons import person_findings, with_person_findings, with_persons
from loratui.curation.people.poses import pose_findings, turn_of
from loratui.curation.pixels import missing
from loratui.curation.report import Finding, PictureReport, Report
from trainer.contract.captioning.tokens import Counter, caption_counter
from trainer.contract.pictures.folder import Picture
from trainer.contract.settings.config import BY_KEY, TrainConfig, flat, most_tokens

THREADS = 2
KEEP_EVERY = 30.0  # seconds after which a long scan writes down what it knows: it may be killed
PATIENCE = 0.2  # seconds between two looks at whether the scan was cancelled

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
    class_word: str = ""
    base: str = BY_KEY["model.base"].default  # whose tokenizer counts
    tokens: int = 0  # new tokens per trigger, the most that one has; 0: the trigger stays a word
    most: int = BY_KEY["caption.max_tokens"].default  # tokens of a caption that are read
    crop: str = BY_KEY["dataset.crop"].default
    background: str = BY_KEY["dataset.background"].default
    steps: int = 0  # 0: not planned yet
    batch: int = 1  # pictures a step, accumulation included
    prompts: tuple[str, ...] = ()  # typed for the validation pictures
    subfolders: bool = False  # look into them too; a run never does
    subset: str = BY_KEY["dataset.subset"].default  # this and the split: which part of a data set was looked at
    split: str = BY_KEY["dataset.split"].default

    @classmethod
    def of(cls, config: TrainConfig) -> ScanSettings:
        """The settings of a resolved run. Its steps may still depend on the number of pictures: they are left out."""
        return cls.of_values(flat(config))

    @classmethod
    def of_values(cls, values: Mapping[str, Any]) -> ScanSettings:
        """The same from every value by its dotted key, before the trainer's rules are applied."""
        data = ("trigger", "caption_column", "instance_prompt", "class_word", "crop", "background", "subset", "split")
        return cls(
            kind=values["kind"],
            resolution=values["train.resolution"],
            base=values["model.base"],
            prompts=tuple(values["sample.prompts"]),
            tokens=most_tokens(values) if values["pivotal.enabled"] else 0,
            most=values["caption.max_tokens"],
            **{name: values[f"dataset.{name}"] for name in data},
        )


def scan(
    folder: Path,
    settings: ScanSettings | None = None,
    progress: Progress | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Report:
    """Look at every picture of `folder`. Raises NoDataset with a sentence, or Cancelled."""
    settings = settings or ScanSettings()
    place = look_into(folder, settings.caption_column, settings.subfolders)
    listed = place.listing.pictures
    check = _checker(cancelled)
    cache = ScanCache(folder, settings.background)
    measured = _measure_all(listed, settings, cache, progress, check)
    counter = caption_counter(settings.base, settings.trigger, settings.tokens)
    raws = [raw_caption(one) for one in listed]  # read once, for all that is asked of them
    reports = [_report(*one, settings, counter) for one in zip(listed, raws, measured, strict=True)]
    shots = cache.remembering(SameShots([one.grey for one in measured], check), measured)
    related = relate(measured, shots if len(listed) <= MOST else None)
    cache.store()
    reports = _alike(with_flattened(reports, measured, settings.kind), measured, settings.kind)
    problems = (*problem_findings(place.listing.problems), *syntax_findings(listed, raws, settings.trigger))
    reports = list(with_person_findings(with_duplicates(reports, measured, related), settings.kind))
    pictures = tuple(_with_problems(one, problems) for one in reports)
    of_set = [one for one in problems if one.file not in {picture.name for picture in pictures}]
    report = Report(
        folder,
        settings.kind,
        pictures,
        (*of_set, *place.findings, *turned_findings(measured), *converted_findings(measured)),
    )
    if progress is not None:
        progress(len(listed), len(listed), "")
    return _of_the_set(report, measured, settings)


def _checker(cancelled: Callable[[], bool] | None) -> Callable[[], None]:
    def check() -> None:
        if cancelled is not None and cancelled():
            raise Cancelled

    return check


def _measure_all(
    pictures: tuple[Picture, ...],
    settings: ScanSettings,
    cache: ScanCache,
    progress: Progress | None,
    check: Callable[[], None],
) -> list[PictureMeasure]:
    """What the cache does not know is measured, two at a time, and told of in order."""
    greys = len(pictures) <= MOST
    known = {one.name: cache.get(one.name, one.path, greys) for one in pictures}
    found, kept = [], time.monotonic()
    missing()  # before the threads: one that asks while another imports OpenCV finds it half there
    pool = ThreadPoolExecutor(min(THREADS, os.cpu_count() or 1), "scan")
    try:
        check()
        jobs = {
            one.name: pool.submit(measure, one.name, one.path, settings.background, greys)
            for one in pictures
            if known[one.name] is None
        }
        for number, one in enumerate(pictures):
            check()
            if progress is not None:
                progress(number, len(pictures), one.name)
            measured = known[one.name] or _awaited(jobs[one.name], check)
            if one.name in jobs:
                cache.put(one.name, one.path, measured)
            found.append(measured)
            if time.monotonic() - kept > KEEP_EVERY:
                cache.store()
                kept = time.monotonic()
    except BaseException:  # also Ctrl+C: what was measured need not be measured again
        cache.store()
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
    return found


def _awaited(job: Future[PictureMeasure], check: Callable[[], None]) -> PictureMeasure:
    while True:
        try:
            return job.result(PATIENCE)
        except NotYet:
            check()


def _alike(reports: list[PictureReport], measured: list[PictureMeasure], kind: str) -> list[PictureReport]:
    """Each with the numbers of its look and, where people are taught, of clothes, ground and persons."""
    looks = look_groups([one.look for one in measured])
    reports = [replace(one, look=look) for one, look in zip(reports, looks, strict=True)]
    if kind not in PEOPLE:
        return reports
    clothes = look_groups([one.clothes for one in measured], SAME_CLOTHES)
    grounds = look_groups([one.ground for one in measured], SAME_GROUND)
    both = zip(reports, clothes, grounds, strict=True)
    reports = [replace(one, clothes=worn, ground=behind) for one, worn, behind in both]
    return with_persons(reports, [one.faces or () for one in measured])


def _report(
    picture: Picture, raw: bytes | None, one: PictureMeasure, settings: ScanSettings, counter: Counter
) -> PictureReport:
    name, kind = picture.name, settings.kind
    faces = None if one.faces is None else counted(one.faces, kind)
    standing = tuple(turned(face, one.turns) for face in faces or ())
    size = (one.height, one.width) if one.turns % 2 else (one.width, one.height)
    findings = [one.problem] if one.problem else [*size_findings(name, one.width, one.height, settings.resolution)]
    findings += [*one.notes, *quality_findings(name, one, kind)]
    if faces is not None:
        findings += face_findings(name, standing, kind, one.drawn, one.turns)
    if faces and kind == "face":
        findings += face_cut(name, one.width, one.height, faces[0].box, settings.crop)
    tokens = None if picture.caption is None else counter(picture.caption)
    if one.problem is None:  # what cannot be used needs no caption
        findings += caption_findings(name, picture.caption, settings.trigger, settings.instance_prompt)
        findings += raw_findings(picture, raw)
        findings += length_findings(name, tokens, settings.most) if tokens else ()
    return PictureReport(
        name=name,
        path=picture.path,
        opens=one.problem is None,
        width=one.width,
        height=one.height,
        caption=picture.caption,
        caption_source=picture.source,
        sha256=one.sha256,
        findings=tuple(findings),
        faces=None if faces is None else len(faces),
        framing=framing(standing) if standing else None,
        blurry=blurry(one),
        upscaled=one.enlarged,
        turns=one.turns,
        pieces=one.pieces,
        boxes=tuple(face.box for face in faces or ()),
        blur=one.subject_blur,
        turn=turn_of(standing[0], *size) if standing else None,
        cheeks=one.cheeks,
        judged=bool(one.look),
        tokens=tokens.count if tokens else None,
    )


def _of_the_set(report: Report, measured: list[PictureMeasure], settings: ScanSettings) -> Report:
    captions = [one.caption for one in report.pictures if one.caption is not None]
    names = [one.name for one in report.pictures if one.caption is not None]
    images = sum(one.opens for one in report.pictures)
    findings = (
        *report.findings,
        *set_findings(report),
        *mix_findings(report.pictures, settings.kind),
        *person_findings(report.pictures, settings.kind),
        *pose_findings(report.pictures, settings.kind),
        *wording_findings(captions, settings.trigger, settings.class_word, settings.base, settings.tokens > 0, names),
        *fault_findings(report.pictures, settings.trigger, settings.class_word),
        *offers(captions, settings.prompts, settings.trigger, settings.class_word, settings.kind),
        *views_findings(images, settings.steps, settings.batch, settings.kind, settings.base),
    )
    people = settings.kind in PEOPLE
    how = tuple(f"{check}: {words}" for check, words in missing().items() if people or check != "identity")
    return replace(
        report, findings=findings, not_checked=_not_checked(report, measured), how_to_check=how, summary=summary(report)
    )


def _not_checked(report: Report, measured: list[PictureMeasure]) -> tuple[str, ...]:
    """What no picture was judged by: all are too small, or a package is missing."""
    judged = {
        "faces": any(one.faces is not None for one in report.pictures),
        "framing": any(one.faces is not None for one in report.pictures),
        "blurry": any(one.blurry is not None for one in report.pictures),
        "upscaled": any(one.upscaled is not None for one in report.pictures),
        "near-duplicates": any(one.hashes is not None for one in measured),
        "crops": any(one.grey for one in measured),
        "variety": any(one.look for one in measured),
    }
    if report.kind in PEOPLE:
        judged |= {"identity": any(any(face.feature for face in one.faces or ()) for one in measured)}
    never = (*NEVER_OF_PEOPLE, *NEVER) if report.kind in PEOPLE else NEVER
    return (*(name for name, done in judged.items() if not done), *(one.words for one in never))


def _with_problems(report: PictureReport, problems: tuple[Finding, ...]) -> PictureReport:
    mine = tuple(one for one in problems if one.file == report.name)
    return replace(report, findings=report.findings + mine) if mine else report
