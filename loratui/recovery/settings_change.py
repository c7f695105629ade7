"""Changes the settings of a run that has ended, so that it can go on: the old files are kept, a kill loses nothing."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loratui.errors import Refusal
from loratui.runs.find import resumable_steps, saved_steps
from loratui.terminal.text import os_words, safe_text, shell_path, show_path
from trainer.contract.entries import rename, write_atomic
from trainer.contract.paths import can_see, is_file
from trainer.contract.run.rundir import RunDir

if TYPE_CHECKING:
    from loratui.settings.answers import Answers
    from trainer.contract.run.changes import Effect, SettingChange
    from trainer.contract.settings.config import TrainConfig

# a new optimizer has rates of its own, and a preset values: both are resolved anew, in a run of its own
NEW_RUN_ONLY = ("preset", "train.optimizer")
EFFECTS: dict[Effect, str] = {
    "none": "Nothing of the training changes: it ends as it would have ended.",
    "rounding": "The training stays the same: pictures, noise and timesteps of every step; sums may round differently.",
    "training": "From there on it is a different training from the one begun; the log notes it.",
}


def amended(run: RunDir, values: Mapping[str, Any], step: int | None) -> tuple[TrainConfig, tuple[SettingChange, ...]]:
    """The configuration with `values` (dotted keys), and what differs; nothing is written.

    `step` is that of the checkpoint from which the run will go on, None where there is none. Raises Refusal with
    a sentence for everything that forbids it.
    """
    from loratui.recovery.same_base import other_base
    from loratui.settings.problems import validated
    from trainer.contract.run.changes import changes_between, refusals_of
    from trainer.contract.run.longer import FRACTIONS, held_pivot
    from trainer.contract.settings.config import flat, stale_pins, vae_source

    old = _config(run)
    new = validated({**flat(old), **values}, lambda key: f"--set {key}")
    if step is not None and not any(key in values for key in FRACTIONS) and (held := held_pivot(old, new, step)):
        new = validated({**flat(old), **values, **held}, lambda key: f"--set {key}")
    if "model.base" in values and "model.vae" not in values and vae_source(old.model) and not vae_source(new.model):
        held_vae = {"model.vae": vae_source(old.model)}  # with auto it went with the name of the base model
        new = validated({**flat(new), **held_vae}, lambda key: f"--set {key}")
    if stale := stale_pins(flat(old), flat(new), values):
        new = validated({**flat(new), **stale}, lambda key: f"--set {key}")
    changes = changes_between(old, new)
    refused = [] if step is None else [*refusals_of(old, new, step), *other_base(run, old, new, step)]
    refused += [
        f"{one.key}: it is resolved together with its preset's values"
        for one in changes
        if one.key in NEW_RUN_ONLY and not any(said.startswith(f"{one.key}:") for said in refused)
    ]
    if refused:
        sets = " ".join(f"--set {one.key}={_written(one.new)}" for one in changes)
        advice = f"train it as a new run: loratui replay {shell_path(run.answers)} {sets}"
        raise Refusal([*(safe_text(one) for one in refused), advice])
    return new, changes


def amend(run: RunDir, values: Mapping[str, Any], back_to: int | None = None) -> tuple[SettingChange, ...]:
    """Write `values` into config.toml and answers.toml of a run that no trainer works on; returns what changed.

    The files as they were stay as config.1.toml, answers.1.toml and so on. With `back_to`, checkpoints after that
    step are put aside, so that the run goes on from it. Raises Refusal, or OSError with the old settings in force.

    Whatever moment it is killed in, the trainer can go on: config.toml, the only file that it reads, comes last,
    when the record that allows the change is on disk.
    """
    from loratui.runs.launch import refuse_running
    from trainer.contract.run.changes import record_changes
    from trainer.contract.settings.config import dump_config

    refuse_running(run)
    steps = saved_steps(run)
    new, changes = amended(run, values, back_to if back_to is not None else max(resumable_steps(run), default=None))
    if changes:
        answers = _answers_with(run, new, changes)
        _keep_old(run)
        record_changes(run, changes)
        if answers is not None:
            write_atomic(run.answers, answers)
    if back_to is not None:
        _put_aside(run, [step for step in steps if step > back_to])
    if changes:
        write_atomic(run.config, dump_config(new))
    return changes


def changed_lines(new: TrainConfig, changes: tuple[SettingChange, ...]) -> list[str]:
    """The changes that led to `new`, and what they do to the training, as lines."""
    from trainer.contract.run.changes import effect_between
    from trainer.contract.run.longer import LENGTH, length_words
    from trainer.contract.settings.config import flat, nested

    said = [f"changed: {one.key} from {_written(one.old)} to {_written(one.new)}" for one in changes]
    if not changes:
        return ["nothing is changed: these are the run's settings already"]
    old = type(new).model_validate(nested({**flat(new), **{one.key: one.old for one in changes}}))
    longer = length_words(old, new)
    others = tuple(one for one in changes if one.key not in LENGTH) if longer else changes
    return [*map(safe_text, said), *longer, *([EFFECTS[effect_between(old, new, others)]] if others else [])]


def begin_anew(run: RunDir, values: Mapping[str, Any]) -> RunDir:
    """A new run beside `run` with its answers and `values`, not started yet. Raises Refusal; `run` is not touched."""
    from loratui.curation.sources import in_folder
    from loratui.runs.launch import create_run
    from loratui.settings.answers import Answers
    from loratui.settings.resolve import resolve
    from trainer.contract.pictures.folder import NoDataset, list_pictures
    from trainer.contract.settings.config import flat
    from trainer.contract.settings.taught import taught

    old = _config(run)
    answers = _answers(run) or Answers(old.preset, {key: one for key, one in flat(old).items() if key != "preset"})
    answers = replace(answers, values={**answers.values, **values})
    folder = Path(old.dataset.path)
    try:
        data = old.dataset.model_copy(update={"skip": tuple(values.get("dataset.skip", old.dataset.skip))})
        each = taught(old.model_copy(update={"dataset": data}))
        images = sum(len(list_pictures(Path(one.path), one.caption_column, one.skip).pictures) for one in each)
    except NoDataset:
        images = 0  # the trainer says it better
    beside = tuple(Path(one.path) for one in old.concepts)
    resolved, kept = in_folder(resolve(answers, images=images), answers, folder, beside)
    return create_run(resolved, kept, _beside(run), advice="move away what stands there")


def _config(run: RunDir) -> TrainConfig:
    from trainer.contract.settings.config import load_config

    try:
        return load_config(run.config)
    except (OSError, ValueError) as error:
        raise Refusal(
            f"{show_path(run.config)} cannot be read: {safe_text(os_words(error, run.config), 200)}"
        ) from None


def _answers(run: RunDir) -> Answers | None:
    from loratui.settings.answers import read_answers

    return read_answers(run.answers) if is_file(run.answers) else None


def _answers_with(run: RunDir, new: TrainConfig, changes: tuple[SettingChange, ...]) -> str | None:
    """The answers that lead to `new`: what an amending that was killed half-way left in them is put right as well."""
    from loratui.settings.answers import answers_text
    from trainer.contract.run.changes import plain, read_changes
    from trainer.contract.settings.config import flat

    answers = _answers(run)
    if answers is None:
        return None
    now = flat(new)
    keys = {one.key for one in (*read_changes(run), *changes)}
    return answers_text(replace(answers, values={**answers.values, **{key: plain(now[key]) for key in keys}}))


def _keep_old(run: RunDir) -> None:
    number = 1
    while any(can_see(run.path / f"{stem}.{number}.toml") for stem in ("config", "answers")):
        number += 1
    for path in (run.config, run.answers):
        if is_file(path):
            write_atomic(run.path / f"{path.stem}.{number}.toml", path.read_bytes())


def _put_aside(run: RunDir, steps: list[int]) -> None:
    """Rename checkpoints so that no trainer takes them up; the newest first, so that a kill leaves an unbroken row."""
    for step in sorted(steps, reverse=True):
        number, final = 1, run.checkpoints / f"aside-{step:06d}"
        while can_see(final):
            number += 1
            final = run.checkpoints / f"aside-{step:06d}-{number}"
        rename(run.checkpoint(step), final, run.path)


def _beside(run: RunDir) -> Path:
    """runs/DATE-TIME-dog-again, or -again-2 ... where that is taken."""
    stem = re.sub(r"-again(-\d+)?$", "", run.path.name)
    number, path = 1, run.path.with_name(f"{stem}-again")
    while can_see(path):
        number += 1
        path = run.path.with_name(f"{stem}-again-{number}")
    return path


def _written(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list) and any(isinstance(one, dict) for one in value):
        from loratui.settings.toml_text import inline_tables

        return shlex.quote(inline_tables(value))
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)
