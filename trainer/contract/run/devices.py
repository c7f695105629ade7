"""Which GPUs there are, which of them runs of a folder use now, and which a waiting run would get; without torch."""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from trainer.contract.documents.files import read_json, read_toml
from trainer.contract.paths import is_file
from trainer.contract.run.lock import lock_holder
from trainer.contract.run.queue import QueueEntry
from trainer.contract.run.rundir import RunDir

SEEN = "LORATUI_GPUS"  # in a trainer that was given some of the GPUs: all that its starter could give
CPU = "cpu"  # the one place for runs that train without a GPU


def visible_gpus(environment: Mapping[str, str] = os.environ) -> tuple[str, ...]:
    """The GPUs that a run may be given: those of CUDA_VISIBLE_DEVICES, else all that nvidia-smi lists; () without."""
    told = environment.get(SEEN) or environment.get("CUDA_VISIBLE_DEVICES")
    if told is None:
        return _listed()
    names = [one.strip() for one in told.split(",")]
    return tuple(one for one in names[: names.index("-1")] if one) if "-1" in names else tuple(filter(None, names))


def slots(gpus: tuple[str, ...]) -> frozenset[str]:
    """Every place where a run can train: each GPU, and the CPU (for one run at a time)."""
    return frozenset({*gpus, CPU})


def free_slots(root: Path, gpus: tuple[str, ...]) -> set[str]:
    """The places that no run of the folder `root` uses. A run that is just being started or ended uses its own."""
    free = set(slots(gpus))
    for run in runs_in(root):
        if is_busy(run):
            free -= used_by(run, gpus)
    return free


def place_for(entry: QueueEntry, free: set[str], gpus: tuple[str, ...]) -> tuple[str, ...] | None:
    """The free places that `entry` would take, or None if it has to wait."""
    if not gpus or on_cpu(entry.run):
        return (CPU,) if CPU in free else None
    mine = [one for one in gpus if one in free][: entry.gpus]
    return tuple(mine) if len(mine) == entry.gpus else None


def fits(entry: QueueEntry, gpus: tuple[str, ...]) -> bool:
    """Whether this machine has as many GPUs as `entry` asks for; so many processes of the CPU are one place."""
    return entry.gpus <= max(1, len(gpus)) or on_cpu(entry.run)


def used_by(run: RunDir, gpus: tuple[str, ...]) -> set[str]:
    """The places of a run that is alive: what its starter wrote down, else the first GPUs there are."""
    if not gpus or on_cpu(run):
        return {CPU}
    words = read_json(run.claim, dict, root=run.path).value or {}
    named, count = words.get("devices"), words.get("gpus")
    if isinstance(named, list) and named:
        return set(map(str, named))
    return set(gpus[: max(1, count) if isinstance(count, int) else 1])


def is_busy(run: RunDir) -> bool:
    """Whether a trainer of this machine works on `run`, or is on its way in or out."""
    holders = (lock_holder(run.lock), lock_holder(run.claim))  # a shared folder may be used by several machines
    return any(one is not None and one.host in ("?", socket.gethostname()) for one in holders)


def runs_in(root: Path) -> list[RunDir]:
    """Every run of a folder, in no order."""
    try:
        folders = [Path(one.path) for one in os.scandir(root) if one.is_dir()]
    except OSError:
        return []
    return [RunDir(folder.absolute()) for folder in folders if is_file(folder / "config.toml")]


def on_cpu(run: RunDir) -> bool:
    """Whether the run's settings ask for the CPU."""
    train = (read_toml(run.config, root=run.path).value or {}).get("train")
    return isinstance(train, dict) and train.get("device") == CPU


@cache
def _listed() -> tuple[str, ...]:
    command = ["nvidia-smi", "--query-gpu=index", "--format=csv,noheader"]
    try:
        found = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ()
    return tuple(line.strip() for line in found.stdout.splitlines() if line.strip()) if found.returncode == 0 else ()
