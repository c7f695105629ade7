"""Another trainer's file as answers: what is taken over, what is implied there, what has no counterpart and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from loratui.settings.answers import DEFAULT_PRESET, Answers
from loratui.settings.checks import problems
from loratui.settings.drafts.draft import Draft
from loratui.settings.names import run_name
from loratui.settings.other_trainers.counterparts import NOTHING, WARMED, OtherTrainer, as_declared
from loratui.settings.other_trainers.files import TRAINERS, read_settings
from loratui.settings.other_trainers.kohya_folders import (
    folders_of_tree,
    kind_said,
    taught_by_folder,
    taught_by_tree,
)
from loratui.settings.presets import preset_for
from loratui.terminal.text import plural
from trainer.contract.paths import expanded
from trainer.contract.pictures.folder import NoDataset, list_pictures
from trainer.contract.settings.config import BY_KEY
from trainer.contract.settings.optimizers import OPTIMIZERS

RATES = ("train.learning_rate", "train.text_encoder_learning_rate", "train.embedding_learning_rate")
WARMUPS = ("train.warmup_steps", "warmup")  # steps, or a part of all of them
EPOCHS = {"checkpoint_epochs": "train.checkpoint_every", "sample_epochs": "train.sample_every"}


@dataclass
class Imported:
    """What became of another trainer's file."""

    trainer: str
    taken: dict[str, str] = field(default_factory=dict)  # key here -> the name there
    values: dict[str, Any] = field(default_factory=dict)
    left: dict[str, str] = field(default_factory=dict)  # the name there -> why
    silent: list[str] = field(default_factory=list)  # names there: how it runs, without a trace in what is learned
    notes: list[str] = field(default_factory=list)

    def leave(self, name: str, why: str) -> None:
        """Not taken over."""
        self.left[name] = why


def import_settings(
    paths: list[Path], preset: str, pictures: str = "", given: Mapping[str, Any] | None = None
) -> tuple[Imported, Answers]:
    """The answers that the files come to on top of `preset`. `given`: what the person says instead of the file.

    `preset`: left empty, that of the kind that the class words are about, else the usual one.

    Raises Refusal for files that are of no other trainer, AnswersError for a preset that is none.
    """
    trainer, found, notes = read_settings(paths)
    result = Imported(trainer.name, notes=notes)
    slots = _translated(trainer, found, result)
    named = set(slots)
    for key, value in trainer.implied.items():
        slots.setdefault(key, value)
    if result.left.keys() & {"optimizer", "optimizer_type", "optimizer.optimizer"}:
        for key in (*RATES, "train.optimizer"):  # a rate belongs to its optimizer
            slots.pop(key, None)
        result.notes.append("optimizer: that of the preset is taken, with its own rates")
    _needless_warmup(trainer, slots, result)
    result.notes += trainer.settle(slots)
    _lacking(slots, result)
    if pictures:
        slots.pop("concepts", None)
        tree = folders_of_tree(pictures)
        for key, value in (taught_by_tree(tree) if tree else {"dataset.path": pictures}).items():
            if key in ("dataset.path", "concepts"):
                slots[key] = value
    if name := slots.get("name"):
        slots["name"] = run_name(str(name))
    folder = Path(str(slots.get("dataset.path", "")).replace("\\", "/")).name
    for key, value in taught_by_folder(folder).items():
        if key not in slots:
            slots[key], result.taken[key] = value, "the folder's name"
    if not preset:
        kind, why = kind_said(slots)
        preset = preset_for(kind).name if kind else DEFAULT_PRESET
        result.notes += [why] if why else []
    slots |= given or {}
    _epochs(slots, result)
    result.values = _valid(slots, preset, result)
    for key in result.values:
        if key not in named and key not in result.taken:
            result.taken[key] = ""
    return result, Answers(preset, result.values, note=f"From settings of {trainer.name}: loratui import")


def other_names(key: str) -> tuple[str, ...]:
    """What other trainers call the setting `key`; each name once."""
    names = (name for trainer in TRAINERS for one in trainer.counterparts if one.key == key for name in one.names)
    return tuple(dict.fromkeys(names))


def _translated(trainer: OtherTrainer, found: Mapping[str, Any], result: Imported) -> dict[str, Any]:
    """By key or slot, in the order of the declaration: a setting that says it more exactly stands later."""
    slots: dict[str, Any] = {}
    for one in trainer.counterparts:
        for name in one.names:
            value = found.get(name)
            if not one.key:
                if not _is_nothing(value, one.plain):
                    result.leave(name, one.says)
                continue
            if value is None or value == "":
                continue
            try:
                slots[one.place] = one.taken(value)
            except ValueError as error:
                result.leave(name, f"{one.key}: {error}")
            else:
                result.taken[one.key] = name
    silent = trainer.silent.split()
    for name, value in found.items():
        if trainer.find(name) is not None or _is_nothing(value, ()):
            continue
        if name in silent:
            result.silent.append(name)
        else:
            result.leave(name, "not known here")
    return slots


def _lacking(slots: dict[str, Any], result: Imported) -> None:
    """Leave out what the optimizer has not of the settings that it shares with another."""
    name = slots.get("train.optimizer", "")
    facts = OPTIMIZERS.get(name)
    for key in () if facts is None else (f"{facts.table}.{one}" for one in facts.lacks):
        if slots.pop(key, None) is not None:
            result.leave(result.taken.pop(key, key), f"{key}: {name} does not have it here")


def _needless_warmup(trainer: OtherTrainer, slots: dict[str, Any], result: Imported) -> None:
    """A warm-up is taken over where it is read: diffusers' get_scheduler gives a constant none, kohya's refuses it."""
    schedule = slots.pop("schedule", slots.get("train.schedule"))
    if schedule is not None:
        slots["train.schedule"] = "constant" if schedule == WARMED else schedule
    if schedule not in (None, "constant") or trainer.warms_constant:
        return
    given = [slots.pop(one, 0) for one in WARMUPS]
    name = result.taken.pop("train.warmup_steps", "")
    if name and any(given):
        result.leave(name, "the schedule constant never reads it there; constant_with_warmup does")


def _is_nothing(value: Any, plain: tuple[Any, ...]) -> bool:
    """Whether a setting without a counterpart is off there, so that nothing is lost."""
    return any(type(value) is type(one) and value == one for one in (*NOTHING, 0.0, *plain)) or (
        isinstance(value, str) and value.lower() in ("false", "0.0")
    )


def _epochs(slots: dict[str, Any], result: Imported) -> None:
    """Steps from epochs and per cents, where the pictures are here to be counted."""
    without = slots.pop("epochs_without_steps", None)
    epochs = slots.pop("epochs", None) or (None if slots.get("train.steps") else without)
    counts = {"epochs": epochs, **{slot: slots.pop(slot, None) for slot in EPOCHS}}
    per_epoch = _steps_per_epoch(slots)
    for slot, count in counts.items():
        key = EPOCHS.get(slot, "train.steps")
        if not count:
            continue
        if per_epoch:
            slots[key] = max(1, round(count * per_epoch))
            if slot == "epochs":
                epochs = plural(f"{count:g}", "epoch")
                result.notes.append(f"{epochs} = {plural(slots[key], 'step')} with the pictures that are there now")
        else:
            slots.pop(key, None)
            result.taken.pop(key, None)
            epochs = plural(f"{count:g}", "epoch")
            result.leave(epochs, f"{key}: the pictures are not here to be counted; --pictures FOLDER")
    warmup = slots.pop("warmup", None)
    if warmup is not None:
        steps = slots.get("train.steps")
        if warmup >= 1 or not warmup:
            slots["train.warmup_steps"] = int(warmup)
        elif steps:
            slots["train.warmup_steps"] = round(warmup * steps)
        else:
            result.leave("warm-up", f"train.warmup_steps: {warmup:.0%} of steps that are not known yet")


def _steps_per_epoch(slots: Mapping[str, Any]) -> float:
    views = _count(str(slots.get("dataset.path", ""))) * int(slots.get("dataset.repeats", 1))
    views += sum(_count(str(one["path"])) * int(one.get("repeats", 1)) for one in slots.get("concepts", ()))
    batch = slots.get("train.batch", 1) * slots.get("train.accumulation", 1)
    return float(views / max(1, batch))


def _count(path: str) -> int:
    try:
        return len(list_pictures(expanded(path)).pictures) if path else 0
    except NoDataset:
        return 0


def _valid(slots: Mapping[str, Any], preset: str, result: Imported) -> dict[str, Any]:
    """Those values that keep all rules here; what breaks one is left out and said."""
    values: dict[str, Any] = {}
    for key, value in slots.items():
        if key not in BY_KEY:
            continue
        try:
            values[key] = as_declared(key, value)
        except ValueError as error:
            result.leave(result.taken.pop(key, key) or key, f"{key}: {error}")
    draft = Draft(preset=preset, values=values)
    for key, words in problems(draft).items():
        if key in draft.values:
            draft = draft.with_settings({key: None})
            result.leave(result.taken.pop(key, key) or key, f"{key}: {words}")
    return {key: draft.values[key] for key in BY_KEY if key in draft.values}
