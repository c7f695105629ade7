"""A run made longer: the pivot that has passed stays where it was, and what else the new length changes, in words."""

from __future__ import annotations

from typing import Any

from trainer.contract.settings.arithmetic import are_apart, fraction_of, pivot_step, text_frozen_after
from trainer.contract.settings.config import TrainConfig
from trainer.contract.settings.triggers import ENCODERS, named_numbers
from trainer.contract.units import plural

STEPS = "train.steps"
EACH = "pivotal.fraction_each"
FRACTIONS = ("pivotal.fraction", "text_encoder_lora.fraction", EACH)
LENGTH = (STEPS, *FRACTIONS)


def held_pivot(old: TrainConfig, new: TrainConfig, step: int) -> dict[str, Any]:
    """The fractions (by dotted key) that keep pivots where they were; empty where none has passed or moved.

    `step` is that of the checkpoint from which the run goes on.
    """
    found: dict[str, Any] = {}
    pivot = text_frozen_after(old)
    if pivot is not None and step >= pivot != text_frozen_after(new) and new.train.steps >= pivot:
        found[FRACTIONS[0] if new.pivotal.enabled else FRACTIONS[1]] = pivot / new.train.steps
    if (each := _held_each(old, new, step)) != new.pivotal.fraction_each:
        found[EACH] = each
    return found


def _held_each(old: TrainConfig, new: TrainConfig, step: int) -> str:
    """`pivotal.fraction_each` with what has passed at the step where it was."""
    own = named_numbers(old.pivotal.fraction_each, (*old.triggers, *ENCODERS)) if old.pivotal.enabled else {}
    passed = {name: at for name, part in own.items() if (at := pivot_step(old.train.steps, part)) <= step}
    if old.train.steps == new.train.steps or not passed:
        return new.pivotal.fraction_each
    held = {name: passed[name] / new.train.steps if name in passed else part for name, part in own.items()}
    return "; ".join(f"{name} = {part}" for name, part in held.items())


def _stops(config: TrainConfig) -> dict[str, int]:
    """The step after which the tokens of each trigger are frozen in each encoder."""
    if not config.pivotal.enabled:
        return {}
    steps = config.train.steps
    return {
        f"{word} in {encoder}": pivot_step(steps, fraction_of(config, word, encoder))
        for word in config.triggers
        for encoder in ENCODERS
    }


def length_refusal(old: TrainConfig, new: TrainConfig, step: int) -> str:
    """Why a run cannot go on from its checkpoint of `step` with the length of `new`; empty if it can."""
    if new.train.steps <= step:
        return f"{plural(step, 'step')} taken already: the new length must be more"
    before, after = text_frozen_after(old), text_frozen_after(new)
    if before is None or after is None:
        return ""
    if are_apart(old) != are_apart(new):
        return "the checkpoint's optimizer holds all words as one, or each apart, and cannot go on otherwise"
    moved = {"the pivot": (before, after)}
    now = _stops(new)
    moved |= {f"the end of {name}": (at, now.get(name, at)) for name, at in _stops(old).items() if are_apart(old)}
    for name, (before, after) in moved.items():
        if before != after and step >= before:
            return f"{name} was after step {before}, and what it froze cannot be trained again"
        if before != after and after <= step:
            return f"{name} would be after step {after}, which is past already"
    return ""


def length_words(old: TrainConfig, new: TrainConfig) -> list[str]:
    """What the new length does to the training, as sentences; none where it is the same."""
    steps, schedule = (old.train.steps, new.train.steps), new.train.schedule
    if steps[0] == steps[1]:
        return []
    words = []
    before, after = text_frozen_after(old), text_frozen_after(new)
    if schedule != "constant":
        words.append(
            f"The {schedule} schedule now spans {plural(steps[1], 'step')}: those taken had the rates of {steps[0]}, "
            "so from here on it differs from a training of that length from the start."
        )
    if before != after:
        words.append(f"The pivot was not reached yet: it moves from step {before} to step {after}.")
    elif before is not None:
        words.append(f"The pivot stays after step {before}.")
    if schedule == "constant":
        where = "" if after is None else " with the pivot there"
        words.append(f"The rate is constant: it ends as a run of {plural(steps[1], 'step')}{where} would have ended.")
    return words
