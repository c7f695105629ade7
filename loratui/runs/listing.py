"""The runs of a folder without reading them all at once: the newest few for a first screen, all of them bit by bit."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

from loratui.runs.find import RUNS, RunInfo, run_info
from loratui.runs.states import run_title
from loratui.terminal.text import safe_text, show_path
from trainer.contract.paths import can_see
from trainer.contract.run.lock import lock_holder
from trainer.contract.run.rundir import RunDir

WIDE = 200  # cells of a line where there is no terminal


def run_folders(root: Path = RUNS) -> list[RunDir]:
    """Every run's folder, the one that was started last first; costs two looks at a folder, and no file is opened."""
    found: list[tuple[float, str]] = []
    try:
        with os.scandir(root) as entries:
            for one in entries:
                try:
                    if one.is_dir():
                        found.append((Path(one.path, "config.toml").stat().st_mtime, one.path))
                except OSError:
                    continue  # no run, or one that may not be looked into
    except OSError:
        return []
    return [RunDir(Path(path)) for _, path in sorted(found, reverse=True)]


def each_run(root: Path = RUNS) -> Iterator[tuple[RunInfo, int]]:
    """How each run is doing, in that order, with the number of all."""
    folders = run_folders(root)
    for run in folders:
        try:
            yield run_info(run), len(folders)
        except OSError:
            continue  # it was moved away meanwhile


def newest_runs(limit: int, root: Path = RUNS) -> tuple[list[RunInfo], int]:
    """The runs that are alive, then the newest, `limit` together; and how many there are.

    A lock's file is empty where its trainer ended in order: only the others are asked. No cluster is waited for.
    """
    folders = run_folders(root)
    first = [run for run in islice(folders, limit)]
    alive = [run for run in folders[limit:] if _maybe_alive(run)]
    infos = [run_info(run, wait=False) for run in (*alive, *first)]
    return sorted(infos, key=lambda one: not one.alive)[:limit], len(folders)


def count_in_slurm(root: Path = RUNS) -> int:
    """How many runs wait in a cluster, by its last answer: it is not waited for."""
    infos = [run_info(run, wait=False) for run in run_folders(root) if can_see(run.slurm)]
    return sum(one.state == "queued" and bool(one.slurm) for one in infos)


def _maybe_alive(run: RunDir) -> bool:
    try:
        return run.lock.stat().st_size > 0 and lock_holder(run.lock) is not None
    except OSError:
        return False


def run_facts(state: str, info: RunInfo, wide: int) -> str:
    """What stands before a run's name in `loratui runs`; `wide`: cells of the longest state."""
    loss = "no loss" if info.loss is None else f"loss {info.loss:.4g}"
    return f"{state:<{wide}}  {f'{info.step}/{info.steps}':>11}  {loss:<12}"


def table_lines(rows: Sequence[tuple[str, RunInfo]], width: int, indent: int) -> list[list[str]]:
    """The lines of each run: its facts, its name and its path, in `width` cells as far as a path is not longer.

    A column holds one thing down the whole list, and nothing is cut. Where there is no room for both, a name stands in
    the path's last part, or the path below it, `indent` cells in.
    """
    cells = max((len(safe_text(info.name)) for _, info in rows), default=0)
    whole = [f"{facts}  {safe_text(info.name):<{cells}}  {show_path(info.run.path)}" for facts, info in rows]
    if all(len(line) <= width for line in whole):
        return [[line] for line in whole]
    return [_narrow(facts, info, width, indent) for facts, info in rows]


def _narrow(facts: str, info: RunInfo, width: int, indent: int) -> list[str]:
    name, path = safe_text(info.name), show_path(info.run.path)
    if run_title(info.name, info.run.path.name) == info.run.path.name and len(line := f"{facts}  {path}") <= width:
        return [line]
    return [f"{facts}  {name}", f"{'':<{indent}}  {path}"]
