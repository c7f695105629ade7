"""`loratui queue`: what trains and what waits, and its order."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from loratui.commands.options import AgainOption

app = typer.Typer(help="Runs that wait for a free GPU: list, order, cancel.", rich_markup_mode=None)

RunArgument = Annotated[str, typer.Argument(metavar="RUN", help="Folder or name.")]
FolderOption = Annotated[Path, typer.Option("--folder", help="Where the runs are.")]
QueueOption = Annotated[bool, typer.Option("--queue", help="Start it when a GPU is free, and return at once.")]
RUNS = Path("runs")


@app.callback(invoke_without_command=True)
def show(context: typer.Context, folder: FolderOption = RUNS) -> None:
    """Runs that wait for a free GPU: list, order, cancel. What has a free GPU is started."""
    if context.invoked_subcommand is not None:
        return
    tell_taken_up(folder)
    _list(folder)


@app.command()
def add(run: RunArgument, gpus: AgainOption = None) -> None:
    """Put a run into the queue: new or interrupted."""
    from loratui.planning.shared import gpus_again
    from loratui.runs.find import find_run
    from loratui.runs.queue import add as put

    chosen = find_run(run)
    raise typer.Exit(put(chosen, gpus or gpus_again(chosen)[0]))


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


def tell_taken_up(root: Path) -> None:
    """Start what waits and has a free GPU, and say so on stderr."""
    import sys

    from loratui.runs.queue import take_up
    from loratui.terminal.text import show_path

    for run in take_up(root):
        print(f"started from the queue: {show_path(run.path)}", file=sys.stderr)


def _list(root: Path) -> None:
    from loratui.runs.queue import queue_lines

    print("\n".join(queue_lines(root)))
