"""`loratui runs` and `loratui queue`: every run; what trains and what waits, and its order."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from loratui.commands import options
from loratui.commands.options import AgainOption

app = typer.Typer(help="Runs that wait for a free GPU: list, order, cancel.", rich_markup_mode=None)

RunArgument = Annotated[str, typer.Argument(metavar="RUN", help="Folder or name.", autocompletion=options.runs)]
FolderOption = Annotated[Path, typer.Option("--folder", help="Where the runs are.", readable=False)]
QueueOption = Annotated[bool, typer.Option("--queue", help="Start it when a GPU is free, and return at once.")]
SlurmOption = Annotated[
    bool | None,
    typer.Option("--slurm/--no-slurm", help="Hand it to a Slurm cluster; or no longer.", show_default=False),
]
SlurmWords = Annotated[
    list[str] | None,
    typer.Option("--slurm-option", metavar="KEY=VALUE", help="Of sbatch, such as partition=gpu; several times."),
]
RUNS = Path("runs")


@app.callback(invoke_without_command=True)
def show(context: typer.Context, folder: FolderOption = RUNS) -> None:
    """Runs that wait for a free GPU: list, order, cancel. What has a free GPU is started."""
    if context.invoked_subcommand is not None:
        return
    refuse_without_place(folder)
    tell_taken_up(folder)
    _list(folder)


@app.command()
def add(run: RunArgument, gpus: AgainOption = None, slurm: SlurmOption = None, slurm_option: SlurmWords = None) -> None:
    """Put a run into the queue: new, waiting or interrupted; with --slurm into that of a cluster."""
    from loratui.planning.shared import gpus_again
    from loratui.runs.engines import LOCAL, chosen
    from loratui.runs.find import find_run, processes_of

    found = find_run(run)
    engine = chosen(slurm, slurm_option or [], [found]) or LOCAL
    raise typer.Exit(engine.add(found, gpus or (gpus_again(found)[0] if engine.is_local else processes_of(found))))


@app.command()
def first(run: RunArgument) -> None:
    """Let a waiting run start next."""
    move(run, 1)


@app.command()
def move(run: RunArgument, place: Annotated[int, typer.Argument(metavar="PLACE", min=1, help="1 is next.")]) -> None:
    """Give a waiting run another place."""
    from loratui.runs.queue import find_waiting
    from loratui.runs.queue import move as to

    chosen = find_waiting(run)
    to(chosen, place)
    _list(chosen.path.parent)


@app.command()
def cancel(run: RunArgument) -> None:
    """Take a run out of the queue; its folder stays."""
    from loratui.runs.queue import cancel as take_out
    from loratui.runs.queue import cancelled_words, find_waiting

    chosen = find_waiting(run)
    take_out(chosen)
    print(cancelled_words(chosen))


def runs(
    folder: Annotated[Path, typer.Argument(metavar="[FOLDER]", help="Where the runs are.", readable=False)] = RUNS,
) -> None:
    """List the runs: what trains, what waits, then the newest first."""
    import shutil

    from loratui.runs.keeping import read_note
    from loratui.runs.listing import WIDE, run_facts, table_lines
    from loratui.runs.queue import listed
    from loratui.terminal.text import show_path

    refuse_without_place(folder)
    tell_taken_up(folder)
    found = listed(folder)
    if not found:
        print(f"no runs in {show_path(folder)}/")
    wide = max((9, *(len(state) for state, _ in found)))
    width = shutil.get_terminal_size((WIDE, 24)).columns
    rows = [(run_facts(state, one, wide), one) for state, one in found]
    for (_, one), lines in zip(found, table_lines(rows, width, wide), strict=True):
        print("\n".join(lines))
        if one.trouble:
            print(f"! {one.trouble}")
        if noted := read_note(one.run):
            print(f"{'':{wide}}  note: {noted}")
    if found:
        from loratui.planning.past_runs import gather

        gather(folder)


def refuse_without_place(root: Path) -> None:
    """Raise Refusal where there can be no runs in `root`, or where a folder that somebody named is not there."""
    from loratui.errors import Refusal
    from loratui.runs.place import runs_trouble
    from loratui.terminal.text import show_path
    from trainer.contract.paths import can_see

    if trouble := runs_trouble(root):
        raise Refusal(trouble)
    if root != RUNS and not can_see(root):
        raise Refusal(f"there is no folder '{show_path(root)}' that you may look into; check the spelling")


def tell_taken_up(root: Path) -> None:
    """Start what waits and has a free GPU, and say so on stderr."""
    import sys

    from loratui.runs.queue import take_up
    from loratui.terminal.text import show_path

    for run in take_up(root):
        print(f"started from the queue: {show_path(run.path)}", file=sys.stderr)


def _list(root: Path) -> None:
    import shutil

    from loratui.runs.listing import WIDE
    from loratui.runs.queue import queue_lines

    print("\n".join(queue_lines(root, shutil.get_terminal_size((WIDE, 24)).columns)))
