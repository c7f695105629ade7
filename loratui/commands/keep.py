"""`loratui rename`, `note` and `delete`: a person's order among runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from loratui.commands.options import runs
from loratui.terminal.asking import agreed, is_anybody_there

if TYPE_CHECKING:
    from trainer.contract.run.rundir import RunDir

MeantRun = Annotated[str, typer.Argument(metavar="RUN", help="Folder or name.", autocompletion=runs)]


def rename(run: MeantRun, name: Annotated[str, typer.Argument(metavar="NAME", help="The folder's new name.")]) -> None:
    """Give the folder of a run another name."""
    from loratui.runs.find import find_run
    from loratui.runs.keeping import rename_run
    from loratui.terminal.text import show_path

    before = find_run(run)
    print(f"{show_path(before.path)} is {show_path(rename_run(before, name).path)} now")


def note(
    run: MeantRun,
    text: Annotated[str | None, typer.Argument(metavar="[TEXT]", help='Left out: shows it; "" takes it away.')] = None,
) -> None:
    """Note a line about a run, which 'loratui runs' shows."""
    from loratui.runs.find import find_run
    from loratui.runs.keeping import read_note, write_note
    from loratui.terminal.text import show_path

    chosen = find_run(run)
    if text is not None:
        write_note(chosen, text)
    said = read_note(chosen)
    print(f"{show_path(chosen.path)}: {said or 'no note'}")


def delete(run: MeantRun, yes: Annotated[bool, typer.Option("--yes", help="Delete without asking.")] = False) -> None:
    """Remove a run's folder with all in it, after a question."""
    from loratui.errors import Refusal
    from loratui.runs.find import find_run
    from loratui.runs.keeping import delete_run, size_of
    from loratui.terminal.text import show_path
    from trainer.contract.paths import expanded
    from trainer.contract.units import in_bytes

    chosen = find_run(run)
    shown = f"{show_path(chosen.path)}, {in_bytes(size_of(chosen))}"
    if run != chosen.path.name and expanded(run).absolute() != chosen.path:
        raise Refusal(f"to delete {shown}, write its whole name: {show_path(chosen.path.name)}")
    if not yes and not _agreed(chosen, shown):
        raise Refusal("nothing was deleted")
    delete_run(chosen)
    print(f"deleted: {shown}")


def _agreed(run: RunDir, shown: str) -> bool:
    from loratui.errors import Refusal
    from loratui.runs.keeping import contents_words

    if not is_anybody_there():
        raise Refusal("without a terminal nobody can be asked: delete with --yes")
    print(f"{shown}, with {contents_words(run)}. This cannot be undone.")
    return agreed("Delete it?")
