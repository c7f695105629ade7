"""The pictures of all concepts of a run as one report: each folder checked by its own words, under a run's names."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from loratui.curation.report import Finding, PictureReport, Report
from loratui.curation.some_names import under
from trainer.contract.pictures.folder import NoDataset
from trainer.contract.pictures.sources import NoColumn
from trainer.contract.settings.concepts import FIRST, KEY, number_of, prefix_of
from trainer.contract.settings.taught import Taught

if TYPE_CHECKING:
    from loratui.curation.scan import ScanSettings

    Look = Callable[[str, ScanSettings], Report]


def with_concepts(report: Report, concepts: tuple[Taught, ...], settings: ScanSettings, look: Look) -> Report:
    """`report`, which is of the first of `concepts`, with what there is to say of the others.

    `look` checks what a path names, a folder or a data set. Raises NoDataset, naming the concept, NoColumn of whose
    captions, and what else `look` raises.
    """
    for one in concepts:
        if one.number >= FIRST:
            try:
                report = joined(report, look(one.path, settings_of(one, settings)), one)
            except NoColumn as error:
                said = str(error).replace("--caption-column or dataset.caption_column", "its caption_column")
                raise NoDataset(one.said(said)) from None
            except NoDataset as error:
                raise NoDataset(one.said(str(error))) from None
    return report


def one_alone(report: Report, number: int = 1) -> Report:
    """What it says of the pictures of one concept, that of [dataset] where no other is meant."""
    pictures = tuple(one for one in report.pictures if number_of(one.name) == number)
    return report if len(pictures) == len(report.pictures) else replace(report, pictures=pictures)


def of_others(names: Iterable[str], number: int = 1) -> tuple[str, ...]:
    """Those of `names`, of dataset.skip or dataset.accept, that are no pictures of that concept."""
    return tuple(one for one in names if number_of(one.rpartition(":")[2]) != number)


def without_concept(names: Iterable[str], number: int) -> dict[str, str]:
    """By its old name what each of these is called once a concept is taken away; what was of that concept is gone."""
    found = {}
    for name in names:
        code, colon, file = name.rpartition(":")
        if (own := number_of(file)) < number:
            found[name] = name
        elif own > number:
            found[name] = f"{code}{colon}{prefix_of(own - 1)}{file.removeprefix(prefix_of(own))}"
    return found


def trigger_of(values: Mapping[str, Any], picture: str = "") -> str:
    """The trigger of a picture's concept, by settings under their dotted keys; without a picture those of all."""
    first, tables = str(values["dataset.trigger"]), tuple(values.get(KEY, ()))
    if not picture:
        return ",".join(dict.fromkeys(filter(None, (first, *(str(one.get("trigger", "")) for one in tables)))))
    own = dict(enumerate(tables, FIRST)).get(number_of(picture), {})
    return str(own.get("trigger") or first)


def settings_of(concept: Taught, settings: ScanSettings) -> ScanSettings:
    """What its pictures are checked against; whether they are seen often enough is asked of all together."""
    return replace(
        settings,
        trigger=concept.trigger,
        class_word=concept.class_word,
        instance_prompt=concept.prompt,
        caption_column=concept.caption_column,
        subset=concept.subset,
        split=concept.split,
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
        beside=(*report.beside, other.folder),
    )


def _named(picture: PictureReport, concept: Taught) -> PictureReport:
    before = concept.prefix
    return replace(
        picture,
        name=before + picture.name,
        findings=tuple(_finding(one, concept) for one in picture.findings),
        duplicates=under(picture.duplicates, before),
        better=under(picture.better, before),
    )


def _finding(one: Finding, concept: Taught) -> Finding:
    one = replace(one, files=tuple(concept.prefix + name for name in one.files), concept=concept.number)
    if one.file:
        return replace(one, file=concept.prefix + one.file)
    return replace(one, message=concept.said(one.message))
