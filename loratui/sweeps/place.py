"""Where sweeps lie beside the runs, and which there are: all that a list of them needs."""

from __future__ import annotations

from pathlib import Path

from loratui.runs.find import RUNS
from trainer.contract.paths import is_file

FILE = "sweep.toml"


def folder_of(name: str, runs: Path = RUNS) -> Path:
    """The folder of the sweep `name`, whose runs lie in `runs`."""
    return runs.absolute().parent / "sweeps" / name


def names(runs: Path = RUNS) -> list[str]:
    """The sweeps beside `runs`, the newest first."""
    try:
        found = [one for one in folder_of("", runs).iterdir() if is_file(one / FILE)]
        return [one.name for one in sorted(found, key=lambda one: (-(one / FILE).stat().st_mtime, one.name))]
    except OSError:
        return []
