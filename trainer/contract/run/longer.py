"""A run made longer: the pivot that has passed stays where it was, and what else the new length changes, in words."""

from __future__ import annotations

from typing import Any

from trainer.contract.settings.arithmetic import text_frozen_after
from trainer.contract.settings.config import TrainConfig

STEPS = "train.steps"
FRACTIONS = ("pivotal.fraction", "text_encoder_lora.fraction")
LENGTH = (STEPS, *FRACTIONS)


def held_pivot(old: TrainConfig, new: TrainConfig, step: int) -> dict[str, Any]:
    """The fraction (dotted key and value) that keeps a pivot where it was; empty where none has passed or moved.

    `step` is that of the checkpoint from which the run goes on.
    """
    pivot = text_frozen_after(old)
    if pivot is None or step < pivot or text_frozen_after(new) == pivot or new.train.steps < pivot:
        return {}
    return {FRACTIONS[0] if new.pivotal.enabled else FRACTIONS[1]: pivot / new.train.steps}


def length_refusal(old: TrainConfig, new: TrainConfig, step: int) -> str:
    """Why a run cannot go on from its checkpoint of `step` with the length of `new`; empty if it can."""
    if new.train.steps <= step:
        return f"{step} steps are taken already; more than these are needed"
    before, after = text_frozen_after(old), text_frozen_after(new)
    if before == after or before is None or after is None:
        return ""
    if step >= before:
        return f"the pivot was after step {before}, and what it froze cannot be trained again"
    return f"the pivot would be after step {after}, which is past already" if after <= step else ""


def length_words(old: TrainConfig, new: TrainConfig) -> list[str]:
    """What the new length does to the training, as sentences; none where it is the same."""
    steps, schedule = (old.train.steps, new.train.steps), new.train.schedule
    if steps[0] == steps[1]:
        return []
    words = []
    before, after = text_frozen_after(old), text_frozen_after(new)
    if schedule != "constant":
        words.append(
            f"The {schedule} schedule now spans {steps[1]} steps: those taken had the rates of {steps[0]}, so from "
            "here on it is another training than one of that length from the start."
        )
    if before != after:
        words.append(f"The pivot was not reached yet: it moves from step {before} to step {after}.")
    elif before is not None:
        words.append(f"The pivot stays after step {before}.")
    if schedule == "constant":
        where = "" if after is None else " with the pivot there"
        words.append(f"The rate is constant: it ends as a run of {steps[1]} steps{where} would have ended.")
    return words
