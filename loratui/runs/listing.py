"""The runs of a folder without reading them all at once: the newest few for a first screen, all of them bit by bit."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

from loratui.runs.find import RUNS, RunInfo, run_info
from loratui.terminal.text import safe_text, show_path
from trainer.contract.run.lock import lock_holder
from trainer.contract.run.rundir import RunDir


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
    infos = [run_info(run, wait=False) for run in run_folders(root) if run.slurm.exists()]
    return sum(one.state == "queued" and bool(one.slurm) for one in infos)


def _maybe_alive(run: RunDir) -> bool:
    try:
        return run.lock.stat().st_size > 0 and lock_holder(run.lock) is not None
    except OSError:
        return False


def run_lines(state: str, info: RunInfo, wide: int, width: int, named: bool = True) -> list[str]:
    """One run for `loratui runs`, in lines of `width` cells: before one is cut, its path stands below.

    `wide`: cells of the longest state. Not `named`: the name is told by the path's last part alone, if that has it.
    """
    facts, name, path = _facts(state, info, wide), safe_text(info.name, 24), show_path(info.run.path)
    if not named and info.name in info.run.path.name and len(line := f"{facts}  {path}") <= width:
        return [line]
    if len(line := f"{facts}  {name:<16}  {path}") <= width:
        return [line]
    return [f"{facts}  {name}".rstrip(), f"{'':<{max(9, wide)}}  {path}"]


def names_fit(found: Iterable[tuple[str, RunInfo]], wide: int, width: int) -> bool:
    """Whether every run has its name before its path in a line: one column holds one thing down the whole list."""
    return all(len(run_lines(state, one, wide, width)) == 1 for state, one in found)


def _facts(state: str, info: RunInfo, wide: int) -> str:
    loss = "no loss" if info.loss is None else f"loss {info.loss:.4g}"
    return f"{state:<{max(9, wide)}}  {f'{info.step}/{info.steps}':>11}  {loss:<12}"
