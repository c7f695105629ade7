"""`loratui fix`: copies of a folder's pictures and captions with what a program can put right put right."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from loratui.commands.options import ColumnOption, DatasetArgument, KindOption, checked, checked_trigger
from loratui.errors import Refusal
from loratui.terminal.text import plural, safe_text, show_path
from trainer.contract.paths import expanded
from trainer.contract.run import exits

if TYPE_CHECKING:
    from loratui.curation.copies.folder import FixSettings


def fix(
    dataset: DatasetArgument,
    into: Annotated[Path | None, typer.Option("--into", metavar="FOLDER", help="A new folder for the copies.")] = None,
    trigger: Annotated[str | None, typer.Option("--trigger", help="Put before captions that lack it.")] = None,
    background: Annotated[
        str, typer.Option("--background", metavar="#rrggbb", help="Under transparent pictures.")
    ] = "#ffffff",
    kind: KindOption = None,
    skip: Annotated[list[str] | None, typer.Option("--skip", metavar="FILE", help="A picture not to copy.")] = None,
    caption_column: ColumnOption = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done; write nothing.")] = False,
) -> None:
    """Copy the pictures into a new folder, put right: upright, RGB, no metadata, captions in UTF-8."""
    if into is None and not dry_run:
        raise Refusal("name a new folder for the copies: --into FOLDER (or look first: --dry-run)")
    if not re.fullmatch(r"#[0-9a-fA-F]{6}", background):
        raise Refusal(f"--background {safe_text(background, 40)}: write a colour as #rrggbb, such as #ffffff")
    from loratui.curation.copies.folder import FixSettings

    target = None if dry_run or into is None else expanded(into)
    taught = checked("--kind", "kind", kind) if kind else ""
    settings = FixSettings(checked_trigger(trigger), background, skip=tuple(skip or ()), kind=taught)
    if caption_column is not None:
        settings = replace(settings, caption_column=caption_column)
    raise typer.Exit(_run(expanded(dataset), target, settings))


def _run(folder: Path, into: Path | None, settings: FixSettings) -> int:
    from loratui.curation.copies.folder import CannotWrite, fix_lines, fix_pictures
    from loratui.terminal.ticker import Ticker
    from trainer.contract.pictures.folder import NoDataset

    try:
        with Ticker() as ticker:
            result = fix_pictures(folder, into, settings, lambda n, of, name: ticker.counted("copying", n, of, name))
    except NoDataset as error:
        raise Refusal(safe_text(error), exits.DATASET) from None
    except CannotWrite as error:
        raise Refusal(safe_text(error)) from None
    except KeyboardInterrupt:
        raise Refusal("stopped; no folder was made", exits.STOPPED) from None
    print("\n".join(fix_lines(result)))
    if into is not None:
        print(f"{plural(len(result.copies), 'copy', 'copies')} in {show_path(into)}; FIXED.json says what was done.")
        print("The originals are as they were.")
    return exits.DONE if len(result.copies) == len(result.pictures) else exits.DATASET
