"""A short real run, made anew as often as it is wanted, and what it leaves."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

from trainer.checkpoints.snapshot import list_checkpoints
from trainer.contract.run.rundir import RunDir
from trainer.contract.settings.config import TrainConfig

STEPS = 8


def short_run(pictures: Path, **own: Any) -> TrainConfig:
    """A whole run on the small SDXL in a second or two: cache, pivot, checkpoints, samples, measurement, export."""
    from tests.trainer.conftest import MEASURED, make_config

    short = {
        "train__steps": STEPS,
        "train__checkpoint_every": 1,
        "train__sample_every": 4,
        "train__keep_checkpoints": 2,
    }
    return make_config(pictures, **(short | MEASURED | own))


def fresh(folder: Path, config: TrainConfig) -> RunDir:
    """The run's folder with nothing but its configuration; what was there is gone."""
    from tests.trainer.conftest import make_run

    shutil.rmtree(folder, ignore_errors=True)
    return make_run(folder, config)


def digests(run: RunDir) -> dict[str, str]:
    """What a run comes to: its exported files, its pictures and its newest checkpoint, by their sha256."""
    files = [path for place in (run.export, run.samples) for path in sorted(place.rglob("*")) if path.is_file()]
    files += sorted(path for path in list_checkpoints(run)[0].iterdir())
    return {str(path.relative_to(run.path)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def events(run: RunDir) -> list[dict[str, Any]]:
    """The whole lines of its log."""
    if not run.events.exists():
        return []
    found = []
    for line in run.events.read_bytes().split(b"\n"):
        try:
            found.append(json.loads(line))
        except ValueError:
            continue  # cut by a kill: the next writer begins a new line
    return found


def strays(folder: Path) -> list[str]:
    """What only a program that was killed, or forgot, leaves in a folder."""
    return sorted(
        str(path.relative_to(folder))
        for path in folder.rglob("*")
        if path.name.endswith((".part", ".old", ".tmp")) or path.name.startswith(".")
    )
