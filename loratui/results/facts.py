"""What a finished run is, read from its folder: its settings, its checkpoints, its whole log."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from loratui.events.history import History
from trainer.contract.documents.files import read_toml
from trainer.contract.run.events import Tail
from trainer.contract.run.rundir import RunDir
from trainer.contract.settings.config import NAME, as_begun
from trainer.contract.settings.sample_prompts import SamplePrompt, read_sample_prompt
from trainer.contract.settings.tracking import Sample


@dataclass(frozen=True)
class RunFacts:
    """The settings that the result speaks of; a config.toml that cannot be read gives empty ones."""

    name: str = ""
    kind: str = ""
    trigger: str = ""
    prompt: str = ""  # words of a validation picture, else the instance prompt: text from outside
    written: str = ""  # the same with what it shall not show (--n), as `generate` reads it
    seed: int = 0
    threads: int = 1
    draws: bool = True  # whether it drew sample pictures
    dora: str = ""  # the axis of a DoRA; empty without one


def read_facts(run: RunDir) -> RunFacts:
    """From the run's config.toml."""
    tables = read_toml(run.config, root=run.path).value
    if tables is None:
        return RunFacts()
    data, sample, train = (_table(tables, name) for name in ("dataset", "sample", "train"))
    train = as_begun(train)
    axis = str(train.get("dora_axis", "")) if train.get("dora") else ""
    first = _first(sample.get("prompts"), str(data.get("instance_prompt", "")))
    seed = sample.get("seed") if first.seed is None else first.seed
    threads, name = train.get("cpu_threads"), str(tables.get("name", ""))
    return RunFacts(
        name if NAME.fullmatch(name) else "",
        str(tables.get("kind", "")),
        str(data.get("trigger", "")),
        first.words,
        f"{first.words} --n {first.negative}" if first.negative else first.words,
        seed if isinstance(seed, int) else 0,
        threads if isinstance(threads, int) else 1,
        draws_pictures(sample.get("count")),
        axis if axis in ("input", "output") else "",
    )


def draws_pictures(count: object) -> bool:
    """Whether a run whose config.toml has this sample.count draws sample pictures, by the rule of the settings."""
    return Sample.model_construct(count=count).drawn if isinstance(count, int) else Sample().drawn


def read_history(run: RunDir) -> History:
    """The whole log of a run that has ended."""
    history, tail = History(), Tail(run.events)
    while events := tail.read():
        history.absorb(events)
    return history


def _first(prompts: Any, otherwise: str) -> SamplePrompt:
    if not isinstance(prompts, list) or not prompts:
        return SamplePrompt(otherwise, otherwise)
    try:
        return read_sample_prompt(str(prompts[0]))
    except ValueError:  # no settings of ours have it
        return SamplePrompt(str(prompts[0]), str(prompts[0]))


def _table(tables: dict[str, Any], name: str) -> dict[str, Any]:
    found = tables.get(name)
    return found if isinstance(found, dict) else {}
