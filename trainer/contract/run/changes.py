"""What may differ between a checkpoint and the run that goes on from it, and the record of what a person changed."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from trainer.contract.documents.files import read_json
from trainer.contract.entries import write_atomic
from trainer.contract.run.longer import LENGTH, length_refusal
from trainer.contract.run.rundir import RunDir
from trainer.contract.settings.concepts import KEY as CONCEPTS
from trainer.contract.settings.concepts import trained_part
from trainer.contract.settings.config import BY_KEY, TrainConfig, flat

MAX_BYTES = 1 << 24  # a record may name each picture that was left out
Effect = Literal["none", "rounding", "training"]
"""none: nothing of the training changes; rounding: the same pictures, noise, timesteps and mathematics in every step,
but sums may be rounded otherwise; training: from the checkpoint on it is another training than the one begun."""

# the pictures and weights that these lead to are compared themselves
FREE = frozenset({"name", "preset"}) | {
    *(f"prior.{name}" for name in ("path", "subset", "split")),
    *(f"model.{name}" for name in ("base", "revision", "vae", "vae_revision")),
    *(f"dataset.{name}" for name in ("path", "subset", "split", "skip", "hold_out", "accept")),
}
KEPT = tuple(f"train.{name}" for name in ("measure", "checkpoint_every", "keep_checkpoints", "sample_every"))
FREE_SECTIONS = ("sample.", "stop.", "export.", "tracker.", *KEPT)

# how the same step is computed; in no record, because the step stays what it was
RECOMPUTED = "train.gradient_checkpointing"
SHARES = ("train.batch", "train.accumulation")  # with the same product: the same pictures and draws in every step
# settings that no saved tensor depends on: the run can go on with another value, if a person asked for it
RECORDED: dict[str, Effect] = {
    "train.learning_rate": "training",
    "train.embedding_learning_rate": "training",
    "train.text_encoder_learning_rate": "training",
    "train.weight_decay": "training",
    "train.embedding_weight_decay": "training",
    "text_encoder_lora.weight_decay": "training",
    "train.max_grad_norm": "training",
    "train.min_snr_gamma": "training",
    "train.noise_offset": "training",
    "train.noise_pairs": "training",
    "train.timesteps": "training",
    "train.ema": "training",
    "train.resolution": "training",
    "train.precision": "training",
    "model.vae_precision": "training",
    "prodigy.d_coef": "training",
    "prodigy.growth_rate": "training",
    "dataset.skip": "training",
    **{f"caption.{name}": "training" for name in ("shuffle", "keep", "tag_dropout", "max_tokens")},
    "dataset.loss_weight": "training",
    **dict.fromkeys(LENGTH, "training"),
    "train.device": "rounding",
    "train.cpu_threads": "rounding",
    "train.deterministic": "rounding",
    "train.graphs": "rounding",
}
DORA_AXIS = "train.dora_axis"  # says nothing without train.dora
DRAWN_ANEW = ("train.resolution", "train.precision")  # class pictures that the base model drew depend on them
_WHY = {
    "train.rank": "it is the width of the matrices that were trained",
    "train.targets": "it decides which layers were trained",
    "train.blocks": "it decides which layers were trained",
    "train.start_from": "it is what the run began from",
    "train.dora": "it decides which tensors were trained",
    "adapter.start": "what was trained is the difference to it",
    DORA_AXIS: "the lengths that were trained lie along it",
    "train.optimizer": "the checkpoint holds the other optimizer's state",
    "prodigy.slice_p": "the checkpoint's estimate has another size",
    "train.seed": "it decides every draw, also of the steps that were taken",
}


@dataclass(frozen=True)
class SettingChange:
    """One setting that was changed between two starts of a run; values as JSON holds them."""

    key: str
    old: Any
    new: Any


def is_free(key: str) -> bool:
    """Whether a setting may always differ from the checkpoint's: it does not change what is trained."""
    return key in FREE or key.startswith(FREE_SECTIONS)


def plain(value: Any) -> Any:
    """A value as JSON gives it back: tuples are lists."""
    return list(value) if isinstance(value, tuple) else value


def changes_between(old: TrainConfig, new: TrainConfig) -> tuple[SettingChange, ...]:
    """Every setting in which the two differ, in the order of declaration."""
    before, after = flat(old), flat(new)
    return tuple(
        SettingChange(key, plain(before[key]), plain(after[key])) for key in after if before[key] != after[key]
    )


def effect_of(changes: Sequence[SettingChange]) -> Effect:
    """The strongest effect among changes that `refusals_of` has nothing against."""
    effects = {_effect(one.key) for one in changes}
    return "training" if "training" in effects else "rounding" if "rounding" in effects else "none"


def effect_between(old: TrainConfig, new: TrainConfig, changes: Sequence[SettingChange] | None = None) -> Effect:
    """What `changes` (None: all there are) do to the training, also those that only a run begun again can take."""
    moved = changes_between(old, new) if changes is None else changes
    return "training" if any(_forbidden(one.key, old, new) for one in moved) else effect_of(moved)


def refusals_of(old: TrainConfig, new: TrainConfig, step: int) -> list[str]:
    """Why a run cannot go on from its checkpoint of `step` with `new` in place of `old`: a sentence for each field."""
    found = []
    for one in changes_between(old, new):
        if why := _forbidden(one.key, old, new) or (length_refusal(old, new, step) if one.key in LENGTH else ""):
            found.append(
                f"{one.key}: the checkpoint of step {step} was trained with {_shown(one.old)}, "
                f"but {_shown(one.new)} is asked for: {why}"
            )
    return found


def same_step(old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    """Whether batch and accumulation of two sets of settings make the same step: their product, and no dropout.

    The dropout of the LoRA is drawn for a whole pass, and so depends on the passes' size.
    """
    products = [one[SHARES[0]] * one[SHARES[1]] for one in (old, new)]
    return products[0] == products[1] and not old.get("train.dropout") and not new.get("train.dropout")


def settings_at(saved: Mapping[str, Any], config: TrainConfig, record: Sequence[SettingChange]) -> dict[str, Any]:
    """Dotted keys and values of `config` that may differ from a checkpoint's `saved` settings, as they were there.

    A setting of RECORDED may differ where the record leads from the saved value to the present one.
    """
    now = {key: plain(value) for key, value in flat(config).items()}
    found = {}
    for key, value in now.items():
        if key not in saved or saved[key] == value:
            continue
        if key == RECOMPUTED or (key in SHARES and same_step(saved, now)) or _led(record, key, saved[key], value):
            found[key] = saved[key]
    return found


def left_out(config: TrainConfig, record: Sequence[SettingChange]) -> frozenset[str]:
    """Names of pictures that a person left out between two starts of the run."""
    names = {name for one in record if one.key == "dataset.skip" for name in set(one.new) - set(one.old)}
    return frozenset(names & set(config.dataset.skip))


def read_changes(run: RunDir) -> tuple[SettingChange, ...]:
    """What was changed so far, the oldest first; nothing where the record is missing or cannot be read."""
    raw = read_json(run.changes, list, MAX_BYTES, run.path, constants=True).value or []
    if not all(isinstance(one, dict) and {"key", "old", "new"} <= set(one) for one in raw):
        return ()
    found = tuple(SettingChange(str(one["key"]), one["old"], one["new"]) for one in raw)
    return found if all(_has_form(one.key, value) for one in found for value in (one.old, one.new)) else ()


def _has_form(key: str, value: Any) -> bool:
    """Whether a recorded value is of the kind that the setting's default has."""
    default = plain(BY_KEY[key].default) if key in BY_KEY else None
    if isinstance(default, list):
        entry = dict if key == CONCEPTS else str
        return isinstance(value, list) and all(isinstance(one, entry) for one in value)
    is_alike = key not in BY_KEY or isinstance(value, str) is isinstance(default, str)
    return is_alike and not isinstance(value, list | dict)


def record_changes(run: RunDir, changes: Sequence[SettingChange]) -> None:
    """Add to the record, durably. Raises OSError."""
    kept = [one for one in (*read_changes(run), *changes)]
    words = [{"key": one.key, "old": one.old, "new": one.new} for one in kept]
    write_atomic(run.changes, json.dumps(words, indent=1))


def _effect(key: str) -> Effect:
    if key == RECOMPUTED or key in SHARES:
        return "rounding"
    return RECORDED.get(key, "none")


def _forbidden(key: str, old: TrainConfig, new: TrainConfig) -> str:
    """Why `key` may not differ; empty if it may."""
    if key == "dataset.skip" and not set(old.dataset.skip) <= set(new.dataset.skip):
        return "a picture can be left out, but none can come back"
    if key == DORA_AXIS and not old.train.dora:
        return ""
    if key == CONCEPTS and trained_part(flat(old)[key]) == trained_part(flat(new)[key]):
        return ""
    if key == RECOMPUTED or is_free(key) or key in RECORDED:
        return "the class pictures are drawn with it" if key in DRAWN_ANEW and old.prior.enabled else ""
    if key in SHARES:
        if same_step(_plain_flat(old), _plain_flat(new)):
            return ""
        if new.train.dropout:
            return "with train.dropout the draws depend on it"
        return "batch x accumulation must stay the same, for it decides which pictures each step sees"
    return _WHY.get(key, "what was trained so far depends on it")


def _led(record: Sequence[SettingChange], key: str, saved: Any, value: Any) -> bool:
    """Whether the record says that a person changed `key` from what was saved, and in the end to `value`."""
    own = [one for one in record if one.key == key]
    known = [end for one in own for end in (one.old, one.new)]
    return key in RECORDED and bool(own) and own[-1].new == value and saved in known


def _plain_flat(config: TrainConfig) -> dict[str, Any]:
    return {key: plain(value) for key, value in flat(config).items()}


def _shown(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
