"""What a finished run is, read from its folder: its settings, its checkpoints, its whole log."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from typing import Any

from loratui.events.history import History
from trainer.contract.run.events import Tail
from trainer.contract.run.rundir import RunDir
from trainer.contract.settings.config import NAME, with_dora_axis


@dataclass(frozen=True)
class RunFacts:
    """The settings that the result speaks of; a config.toml that cannot be read gives empty ones."""

    name: str = ""
    kind: str = ""
    trigger: str = ""
    prompt: str = ""  # of a validation picture, else the instance prompt: text from outside
    seed: int = 0
    threads: int = 1
    dora: str = ""  # the axis of a DoRA; empty without one


def read_facts(run: RunDir) -> RunFacts:
    """From the run's config.toml."""
    try:
        tables = tomllib.loads(run.config.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return RunFacts()
    data, sample, train = (_table(tables, name) for name in ("dataset", "sample", "train"))
    train = with_dora_axis(train)
    axis = str(train.get("dora_axis", "")) if train.get("dora") else ""
    prompts = [*(sample.get("prompts") or ()), data.get("instance_prompt", "")]
    seed, threads, name = sample.get("seed"), train.get("cpu_threads"), str(tables.get("name", ""))
    return RunFacts(
        name if NAME.fullmatch(name) else "",
        str(tables.get("kind", "")),
        str(data.get("trigger", "")),
        str(prompts[0]),
        seed if isinstance(seed, int) else 0,
        threads if isinstance(threads, int) else 1,
        axis if axis in ("input", "output") else "",
    )


def read_history(run: RunDir) -> History:
    """The whole log of a run that has ended."""
    history, tail = History(), Tail(run.events)
    while events := tail.read():
        history.absorb(events)
    return history


def _table(tables: dict[str, Any], name: str) -> dict[str, Any]:
    found = tables.get(name)
    return found if isinstance(found, dict) else {}
