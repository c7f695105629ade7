"""One thing to do after a bad end: what it changes, what it opens, and from where the run then goes on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from loratui.planning.memory_steps import changed
from trainer.contract.basemodel.inspect import NotSDXL
from trainer.contract.plan.estimate import estimated
from trainer.contract.plan.sharing import as_one_of
from trainer.contract.run.changes import Effect, changes_between, effect_between, refusals_of
from trainer.contract.settings.config import TrainConfig

Kind = Literal["crash", "oom", "nan", "disk", "data", "moved", "signal", "exception"]
Goes = Literal["checkpoint", "beginning", "new run"]
Opens = Literal["", "base model", "folder", "doctor", "disk"]  # what a remedy leads to before anything is started
KINDS = ("oom", "nan", "disk", "data", "moved", "signal", "exception")  # of an `error` event; without one it is a crash
ROOM = 0.95  # of the memory: the rest is the driver's, the desktop's, and the allocator's gaps


@dataclass(frozen=True)
class BadEnd:
    """A run that has ended badly, as far as the choice of a remedy needs it."""

    kind: Kind
    config: TrainConfig
    checkpoints: tuple[int, ...] = ()  # steps on disk, oldest first
    sound: tuple[int, ...] = ()  # those of them before the loss left its range
    phase: str = "train"  # what the trainer was doing
    pictures: tuple[str, ...] = ()  # named by the error
    cause: str = ""  # of an error of kind nan: one of CAUSES, empty where a trainer of before says none
    because: str = ""  # the same in words
    at_fault: tuple[str, ...] = ()  # the pictures that it is bound to
    gpu: bool = False
    world: int = 1  # processes that share a step
    full: bool = False  # RAM was nearly full when it was last heard of
    room: int = 0  # bytes that the GPU has, or the machine without one; 0: not known
    folder: str = ""  # the setting whose folder is not there any more; empty if all are
    base: str = ""  # why the base model cannot be had, or that it is not whole on this disk; empty if it is
    factor: float = 1.0  # on the rough parts of an estimate, as past runs here correct it


@dataclass(frozen=True)
class Remedy:
    """One thing to do: what it changes, why it helps, and from where the run then goes on."""

    title: str
    why: str
    changes: Mapping[str, Any] = field(default_factory=dict)  # dotted settings -> values
    goes: Goes = "checkpoint"
    step: int = 0  # of the checkpoint that it goes on from; 0: from the beginning
    back: bool = False  # newer checkpoints are put aside for it
    effect: Effect = "none"
    memory: tuple[int, int] | None = None  # bytes at the fullest before and after, where that changes
    opens: Opens = ""

    def fits(self, room: int) -> bool:
        """Whether it would stay below `room` bytes, as far as the estimate can tell."""
        return not room or self.memory is None or self.memory[1] < ROOM * room


def need(case: BadEnd, config: TrainConfig) -> int | None:
    """Bytes of memory at the fullest, estimated as a plan does; None where the base model cannot be looked at."""
    try:
        return estimated(as_one_of(config, case.world), 1, "cuda" if case.gpu else "cpu", case.factor).memory_total
    except NotSDXL:
        return None


def as_it_was(case: BadEnd, why: str) -> Remedy:
    return remedy(case, "change nothing, resume", why, {})


def remedy(
    case: BadEnd,
    title: str,
    why: str,
    changes: Mapping[str, Any],
    memory: tuple[int, int] | None = None,
    anew: bool = False,
    opens: Opens = "",
) -> Remedy:
    """Where a remedy leads: on from the newest sound checkpoint if the change can be made there, else a new run."""
    new = changed(case.config, changes)
    moved = changes_between(case.config, new)
    newest = case.checkpoints[-1] if case.checkpoints else 0
    step = newest if case.kind != "nan" else case.sound[-1] if case.sound else 0
    other_optimizer = any(one.key == "train.optimizer" for one in moved)  # its rates are resolved anew
    lost = bool(newest) and not step  # nothing that was saved is worth going on from
    if anew or lost or other_optimizer or (step and refusals_of(case.config, new, step)):
        return Remedy(title, why, changes, "new run", memory=memory, effect="training", opens=opens)
    goes: Goes = "checkpoint" if step else "beginning"
    return Remedy(title, why, changes, goes, step, step < newest, effect_between(case.config, new), memory, opens)
