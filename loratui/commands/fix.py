"""`loratui fix`: copies of a folder's pictures and captions with what a program can put right put right."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from loratui.commands.options import ColumnOption, DatasetArgument, KindOption, checked, checked_trigger
from loratui.errors import Refusal
from loratui.terminal.text import plural, safe_text, show_path
from trainer.contract.paths import expanded
from trainer.contract.run import exits

if TYPE_CHECKING:
    from loratui.curation.copies.asked import Asked
    from loratui.curation.copies.folder import FixSettings
    from loratui.curation.report import Report
    from loratui.terminal.ticker import Ticker

MASKS = ("face", "person")


def fix(
    dataset: DatasetArgument,
    into: Annotated[
        Path | None, typer.Option("--into", metavar="FOLDER", help="A new folder for the copies.", readable=False)
    ] = None,
    trigger: Annotated[
        str | None, typer.Option("--trigger", help="Put into every caption, in place of another training's.")
    ] = None,
    background: Annotated[
        str, typer.Option("--background", metavar="#rrggbb", help="Under transparent pictures.")
    ] = "#ffffff",
    kind: KindOption = None,
    crop: Annotated[
        bool, typer.Option("--crop", help="Crop to the person meant, or to one of the pictures pasted together.")
    ] = False,
    unbar: Annotated[bool, typer.Option("--unbar", help="Cut bars and frames away.")] = False,
    mask: Annotated[str, typer.Option("--mask", help="Write mask/ for a masked loss: face or person.")] = "",
    resolution: Annotated[
        int | None, typer.Option("--resolution", min=1, help="Training resolution, px: what is too small.")
    ] = None,
    best: Annotated[int, typer.Option("--best", metavar="N", min=0, help="Only the N best of the good ones.")] = 0,
    leave_out: Annotated[
        list[str] | None,
        typer.Option("--leave-out", metavar="CODE", help="Without the pictures that have this finding."),
    ] = None,
    replace: Annotated[
        list[str] | None, typer.Option("--replace", metavar="OLD=NEW", help="Replace words in all captions.")
    ] = None,
    skip: Annotated[list[str] | None, typer.Option("--skip", metavar="FILE", help="A picture not to copy.")] = None,
    caption_column: ColumnOption = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done; write nothing.")] = False,
) -> None:
    """Copy the pictures into a new folder, put right: upright, RGB, no metadata, captions in UTF-8."""
    if into is None and not dry_run:
        raise Refusal("name a new folder for the copies: --into FOLDER (or look first: --dry-run)")
    if not re.fullmatch(r"#[0-9a-fA-F]{6}", background):
        raise Refusal(f"--background {safe_text(background, 40)}: write a colour as #rrggbb, such as #ffffff")
    if mask not in ("", *MASKS):
        raise Refusal(f"--mask {safe_text(mask, 40)}: face or person")
    from loratui.curation.copies.asked import Asked
    from loratui.curation.copies.folder import FixSettings

    target = None if dry_run or into is None else expanded(into)
    given: dict[str, Any] = {"caption_column": caption_column} if caption_column is not None else {}
    if kind is not None:
        given["kind"] = checked("--kind", "kind", kind)
    settings = FixSettings(
        checked_trigger(trigger), background, skip=tuple(skip or ()), change=_change(replace or []), **given
    )
    asked = Asked(crop, unbar, best, _codes(leave_out or []), mask)
    wanted = {} if resolution is None else {"resolution": checked("--resolution", "train.resolution", resolution)}
    raise typer.Exit(_run(expanded(dataset), target, settings, asked, wanted))


def _change(pairs: list[str]) -> Any:
    from loratui.curation.copies.asked import replacing

    parted = [one.partition("=") for one in pairs]
    for old, sign, _ in parted:
        if not old.strip() or not sign:
            raise Refusal(f"--replace {safe_text(old, 40)}: write OLD=NEW, such as 'sks=TOK'; OLD= takes it out")
    return replacing([(old, new) for old, _, new in parted])


def _codes(codes: list[str]) -> tuple[str, ...]:
    from loratui.curation.groups import unknown_codes

    if wrong := unknown_codes(codes):
        raise Refusal(wrong[0].replace("dataset.accept:", "--leave-out"))
    return tuple(codes)


def _run(folder: Path, into: Path | None, settings: FixSettings, asked: Asked, wanted: dict[str, Any]) -> int:
    from loratui.curation.copies.asked import with_asked
    from loratui.curation.copies.folder import CannotWrite, fix_lines, fix_pictures
    from loratui.terminal.ticker import Ticker
    from trainer.contract.pictures.folder import NoDataset
    from trainer.contract.settings.config import BY_KEY

    said: tuple[str, ...] = ()
    try:
        with Ticker() as ticker:
            if asked.of_the_report:
                side = wanted.get("resolution", BY_KEY["train.resolution"].default)
                settings, said = with_asked(settings, asked, _looked_at(folder, settings, wanted, ticker), side)
            result = fix_pictures(folder, into, settings, lambda n, of, name: ticker.counted("copying", n, of, name))
    except NoDataset as error:
        raise Refusal(safe_text(error), exits.DATASET) from None
    except CannotWrite as error:
        raise Refusal(safe_text(error)) from None
    except KeyboardInterrupt:
        raise Refusal("stopped; no folder was made", exits.STOPPED) from None
    print("\n".join((*fix_lines(result), *said)))
    if into is not None:
        print(f"{plural(len(result.copies), 'copy', 'copies')} in {show_path(into)}; FIXED.json says what was done.")
        print("The originals are as they were.")
    if asked.mask:
        print("To train by the masks: --set mask.enabled=true")
    return exits.DONE if len(result.copies) == len(result.pictures) else exits.DATASET


def _looked_at(folder: Path, settings: FixSettings, wanted: dict[str, Any], ticker: Ticker) -> Report:
    """The doctor's report. Raises NoDataset."""
    from loratui.curation.scan import ScanSettings, scan

    looking = ScanSettings(
        kind=settings.kind or ScanSettings.kind,
        trigger=settings.trigger or ScanSettings.trigger,
        caption_column=settings.caption_column,
        background=settings.background,
        **wanted,
    )
    return scan(folder, looking, lambda done, of, name: ticker.counted("looking at", done, of, name))
