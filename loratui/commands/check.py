"""`loratui check`: the dataset doctor without a screen, as lines, as JSON, and as a contact sheet."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from loratui.commands.options import ColumnOption, KindOption, SourceArgument, checked, checked_trigger
from loratui.errors import Refusal
from loratui.terminal.layout import on_terminal
from loratui.terminal.text import safe_text
from trainer.contract.paths import expanded
from trainer.contract.run import exits

if TYPE_CHECKING:
    from loratui.curation.report import Report
    from loratui.curation.scan import ScanSettings


def check(
    dataset: SourceArgument,
    json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
    kind: KindOption = None,
    resolution: Annotated[int | None, typer.Option("--resolution", min=1, help="Training resolution, px.")] = None,
    trigger: Annotated[str | None, typer.Option("--trigger", help="The word that captions must hold.")] = None,
    caption_column: ColumnOption = None,
    subset: Annotated[str | None, typer.Option("--subset", help="Configuration of a data set.")] = None,
    split: Annotated[str | None, typer.Option("--split", help="Split of a data set.")] = None,
    subfolders: Annotated[
        bool | None,
        typer.Option(
            help="Look into them too, though a run does not. Left out: with --json, or if all pictures are there."
        ),
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="Name each picture, and what can be done.")] = False,
    contact_sheet: Annotated[
        Path | None,
        typer.Option("--contact-sheet", metavar="FILE.png", help="All pictures on one, with findings.", readable=False),
    ] = None,
) -> None:
    """Look at every picture of a folder, and say what is wrong; of a kohya tree each of its folders in turn."""
    settings = _settings(kind, resolution, checked_trigger(trigger), caption_column)
    settings = replace(settings, subset=subset or settings.subset, split=split or settings.split)
    if tree := () if json or contact_sheet or subfolders else _tree(dataset):
        raise typer.Exit(_check_each(dataset, tree, settings, every, bool(trigger), kind is not None))
    settings = _as_named(dataset, settings, bool(trigger), kind is not None)
    folder = _folder(dataset, settings)
    below = (json or not _has_pictures(folder)) if subfolders is None else subfolders
    raise typer.Exit(
        run_check(
            folder, replace(settings, subfolders=below), json, contact_sheet, every, kind is not None, bool(trigger)
        )
    )


def _tree(source: str) -> tuple[str, ...]:
    from loratui.settings.other_trainers.kohya_folders import folders_of_tree

    return folders_of_tree(source)


def _check_each(
    source: str, tree: tuple[str, ...], settings: ScanSettings, every: bool, told: bool, kind_told: bool
) -> int:
    """Each concept by the trigger and class word that its folder's name says, unless one was `told`."""
    from loratui.settings.other_trainers.kohya_folders import class_words_of

    codes: list[int] = []
    for place in tree:
        if codes:
            print()
        own = _as_named(place, settings, told, kind_told)
        codes.append(run_check(expanded(place), own, False, names=every, told=kind_told, trigger_told=told))
    if words := class_words_of(source):
        print(f"\n{on_terminal(words, sys.stdout)}")
    return max(codes, key=lambda code: code != exits.DONE)


def _as_named(place: str, settings: ScanSettings, told: bool, kind_told: bool) -> ScanSettings:
    """By the kind, trigger and class word that a folder's name says, as `loratui init` takes them, unless told."""
    from loratui.curation.guess import named_so
    from trainer.contract.settings.triggers import suggested_prompt

    said, _ = named_so(expanded(place).absolute().name)
    settings = settings if kind_told else replace(settings, kind=str(said.get("kind", settings.kind)))
    if told or not said:
        return settings
    trigger, word = str(said["dataset.trigger"]), str(said.get("dataset.class_word", ""))
    prompt = suggested_prompt(settings.kind, trigger, word)
    return replace(settings, trigger=trigger, class_word=word, instance_prompt=prompt)


def _folder(source: str, settings: ScanSettings) -> Path:
    """The pictures of a folder or a data set. Raises Refusal."""
    from loratui.curation.sources import as_folder, said_on_stderr
    from trainer.contract.pictures.folder import NoDataset

    try:
        return as_folder(source, settings, said_on_stderr(source))
    except NoDataset as error:
        raise Refusal(safe_text(error), exits.DATASET) from None


def run_check(
    folder: Path,
    settings: ScanSettings,
    as_json: bool,
    sheet: Path | None = None,
    names: bool = False,
    told: bool = True,
    trigger_told: bool = True,
) -> int:
    """Print the report; the exit code says whether something stops a run. Raises Refusal.

    `told`: the kind was given; else a line says how to have another, and which where the pictures speak for one. Of
    the trigger, `trigger_told`, one says so only where the captions speak for another.
    """
    from loratui.curation.lines import run_outcome
    from loratui.curation.scan import scan
    from loratui.terminal.ticker import Ticker
    from trainer.contract.pictures.folder import NoDataset

    if sheet is not None:
        from loratui.curation.contact_sheet import refuse_place

        sheet = expanded(sheet)
        refuse_place(sheet, folder)
    try:
        with Ticker(log=not as_json) as ticker:
            report = scan(folder, settings, lambda done, all_, name: ticker.counted("looking at", done, all_, name))
            if sheet is not None:
                _draw(report, sheet, ticker.counted)
    except NoDataset as error:
        raise Refusal(safe_text(error), exits.DATASET) from None
    except KeyboardInterrupt:
        raise typer.Exit(exits.STOPPED) from None
    _print(report, as_json, names, not told, not trigger_told)
    return exits.DONE if run_outcome(report).ready else exits.DATASET


def _has_pictures(folder: Path) -> bool:
    from trainer.contract.pictures.folder import NoDataset, list_pictures

    try:
        return bool(list_pictures(folder).pictures)
    except NoDataset:
        return False


def _settings(kind: str | None, resolution: int | None, trigger: str, column: str | None) -> ScanSettings:
    """What was given; the rest as declared. Raises AnswersError."""
    from loratui.curation.scan import ScanSettings
    from trainer.contract.settings.triggers import suggested_prompt

    given: dict[str, Any] = {"caption_column": column} if column is not None else {}
    if kind is not None:
        given["kind"] = checked("--kind", "kind", kind)
    if resolution is not None:
        given["resolution"] = checked("--resolution", "train.resolution", resolution)
    if trigger:
        given |= {"trigger": trigger, "instance_prompt": suggested_prompt(kind or "object", trigger, "")}
    return ScanSettings(**given)


def _draw(report: Report, sheet: Path, counted: Callable[[str, int, int, str], None]) -> None:
    from loratui.curation.contact_sheet import write_contact_sheet

    write_contact_sheet(report, sheet, lambda done, total, name: counted("drawing", done, total, name))


def _print(report: Report, as_json: bool, names: bool, ask_kind: bool, ask_trigger: bool) -> None:
    if as_json:
        from loratui.curation.as_json import report_json

        print(report_json(report))
        return
    from loratui.commands.findings import print_report

    print_report(report, sys.stdout, names=names, ask_kind=ask_kind, ask_trigger=ask_trigger)
