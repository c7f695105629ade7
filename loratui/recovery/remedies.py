"""What can be changed after a run has ended badly, the mildest first: from its settings, its error and its history."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from loratui.events.history import History
from loratui.planning.memory_steps import (
    MEMORY_STEPS,
    MemoryStep,
    Settings,
    changed,
    goes_on,
    shared_by,
    stays_the_same,
)
from loratui.recovery.sound_checkpoints import sound_steps
from loratui.runs.find import resumable_steps
from loratui.terminal.text import plural, safe_text
from trainer.contract.basemodel.inspect import NotSDXL
from trainer.contract.plan.estimate import estimate
from trainer.contract.run.changes import Effect, changes_between, effect_of, refusals_of
from trainer.contract.run.rundir import RunDir
from trainer.contract.settings.arithmetic import learning_rates
from trainer.contract.settings.config import TrainConfig, load_config
from trainer.contract.settings.optimizers import OPTIMIZERS

Kind = Literal["crash", "oom", "nan", "disk", "data", "signal", "exception"]
Goes = Literal["checkpoint", "beginning", "new run"]
KINDS = ("oom", "nan", "disk", "data", "signal", "exception")
ROOM = 0.95  # of the memory: the rest is the driver's, the desktop's, and the allocator's gaps
FULL = 0.85  # of the RAM: a process of that size that dies without a word was most likely ended by the system


@dataclass(frozen=True)
class BadEnd:
    """A run that has ended badly, as far as the choice of a remedy needs it."""

    kind: Kind
    config: TrainConfig
    checkpoints: tuple[int, ...] = ()  # steps on disk, oldest first
    sound: tuple[int, ...] = ()  # those of them before the loss left its range
    phase: str = "train"  # what the trainer was doing
    pictures: tuple[str, ...] = ()  # named by the error
    gpu: bool = False
    world: int = 1  # processes that share a step
    full: bool = False  # RAM was nearly full when it was last heard of
    room: int = 0  # bytes that the GPU has, or the machine without one; 0: not known


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

    def fits(self, room: int) -> bool:
        """Whether it would stay below `room` bytes, as far as the estimate can tell."""
        return not room or self.memory is None or self.memory[1] < ROOM * room


def case_of(run: RunDir, history: History) -> BadEnd:
    """The case of a run that has ended. Raises OSError or ValueError if its configuration cannot be read."""
    error = history.error or {}
    kind = str(error.get("kind"))
    raw = error.get("pictures")
    total = error.get("vram_total")
    checkpoints = resumable_steps(run)
    return BadEnd(
        kind="crash" if history.error is None else kind if kind in KINDS else "exception",  # type: ignore[arg-type]
        config=load_config(run.config),
        checkpoints=checkpoints,
        sound=sound_steps(history.ema, checkpoints),
        phase=history.doing or "load",
        pictures=tuple(map(str, raw)) if isinstance(raw, list) else (),
        gpu=bool(history.run.get("gpu")),
        world=int(history.run.get("world") or 1),
        full=history.vram is None and (history.rss or 0) > FULL * ram(),
        room=(int(total) if isinstance(total, int | float) else 0) if history.run.get("gpu") else ram(),
    )


def remedies(case: BadEnd) -> list[Remedy]:
    """What helps here, the mildest first; never empty."""
    match case.kind:
        case "oom":
            found = [*_memory(case), _as_it_was(case, "another program may have held the memory, and be gone now")]
        case "nan":
            found = _not_finite(case)
        case "disk":
            found = _disk(case)
        case "data":
            found = _data(case)
        case "crash" if case.full:
            found = [*_memory(case), _as_it_was(case, "if something else had filled the memory, and is gone now")]
        case _:
            found = [_as_it_was(case, "nothing in the settings is known to be at fault")]
    return found


def ram() -> int:
    """Bytes of RAM of this machine."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def need(config: TrainConfig) -> int | None:
    """Estimated bytes of memory at the fullest; None where the base model cannot be looked at."""
    try:
        return estimate(config, 1).memory_total
    except NotSDXL:
        return None


# -- memory -----------------------------------------------------------------------------------------------------------


def _memory(case: BadEnd) -> list[Remedy]:
    """What lowers the estimate: what leaves the training as it is, what its checkpoint can go on with, a new run."""
    config = case.config
    offered = [(step, one) for step in MEMORY_STEPS if _helps(step, case) for one in _tries(step, case)]
    same = [(step.titled(config, one), step.cost, one) for step, one in offered if step.same]
    rest = sorted((one for one in offered if not one[0].same), key=lambda one: not goes_on(config, one[1]))
    other = [(step.titled(config, one), step.cost, one) for step, one in rest]
    now = need(config)
    found = []
    for title, why, changes in (*same, *_all_at_once(offered), *other):
        after = need(changed(config, changes))
        if now is None or after is None:
            found.append(_remedy(case, title, why, changes))
        elif after < 0.99 * now:
            found.append(_remedy(case, title, why, changes, (now, after)))
    return found


def _helps(step: MemoryStep, case: BadEnd) -> bool:
    """Whether this kind of change can help here at all."""
    had = not step.needs or importlib.util.find_spec(step.needs) is not None
    return had and (case.gpu or not step.gpu) and (not step.phases or case.phase in step.phases)


def _tries(step: MemoryStep, case: BadEnd) -> list[Settings]:
    """The settings of `step` that are offered, those that leave the training as it is only where they do."""
    down = [one for one in step.down(case.config) if shared_by(one, case.world)]
    if step.same:
        down = [one for one in down if stays_the_same(case.config, one)]
    chosen = [down[place] for place in step.again if down]
    return [one for place, one in enumerate(chosen) if one not in chosen[:place]]


def _all_at_once(offered: list[tuple[MemoryStep, Settings]]) -> list[tuple[str, str, Settings]]:
    """The furthest of every step that leaves the training as it is, together, where there are several."""
    furthest = {step.name: one for step, one in offered if step.same}
    together = {key: value for one in furthest.values() for key, value in one.items()}
    if len(furthest) < 2:
        return []
    size, passes = together["train.batch"], together["train.accumulation"]
    title = f"checkpointing on, batch {size}, accumulation {passes}"
    return [(title, "the least that a step takes", together)]


# -- not finite -------------------------------------------------------------------------------------------------------


def _not_finite(case: BadEnd) -> list[Remedy]:
    """The same step would give the same again, so each of them changes something."""
    config, train = case.config, case.config.train
    found = []
    if train.precision == "fp16":
        why = "in fp16 the largest number is 65,504, which activations can pass; bf16 reaches as far as fp32"
        found.append(_remedy(case, "precision fp16 to bf16", why, {"train.precision": "bf16"}))
    if train.precision == "fp16" and config.model.vae_precision == "training":
        why = "a VAE that overflows in fp16, as SDXL's own does, gives latents that are not finite"
        found.append(_remedy(case, "pictures encoded in fp32", why, {"model.vae_precision": "auto"}))
    diverged = bool(case.checkpoints) and case.sound != case.checkpoints
    rates, title, why = lower_rates(config)
    calmer = [_remedy(case, title, why, rates)]
    if not train.max_grad_norm:
        why = "without clipping one bad step can throw the LoRA out of its range"
        calmer.append(_remedy(case, "clip gradients at 1.0", why, {"train.max_grad_norm": 1.0}))
    found = [*calmer, *found] if diverged else [*found, *calmer]
    if len(case.pictures) == 1:
        (name,) = case.pictures
        skip = {"dataset.skip": (*config.dataset.skip, name)}
        why = "it is the one picture that the step was made from"
        found.append(_remedy(case, f"leave out {safe_text(name, 40)}", why, skip))
    if train.precision == "bf16":
        full = {"train.precision": "fp32"}
        after = need(changed(config, full))
        memory = (now, after) if (now := need(config)) and after else None
        why = "if it is rounding that breaks it; the base model takes twice the memory"
        found.append(_remedy(case, "precision bf16 to fp32", why, full, memory))
    if case.checkpoints and case.sound:
        why = f"{why_anew(case)}; this run stays as it is"
        found.append(_remedy(case, title, why, rates, anew=True))
    return found


def why_anew(case: BadEnd) -> str:
    """Why one would rather begin again."""
    return f"from the beginning, because what came before step {case.sound[-1]} was trained at the old rate"


def lower_rates(config: TrainConfig) -> tuple[dict[str, Any], str, str]:
    """Calmer rates for the unet and the words: the settings, a title, and why."""
    unet, words = learning_rates(config)
    optimizer = OPTIMIZERS[config.train.optimizer]
    own = optimizer.rates
    if config.train.optimizer == "prodigy":
        low, why = (unet / 2, words / 2), "Prodigy keeps its estimate d and steps half as far"
    elif unet > 1.5 * own[0]:
        low, why = (own[0], own[1]), f"{unet:g} is far above {optimizer.name}'s own rate of {own[0]:g}"
    else:
        low, why = (unet / 3, words / 3), "a third of the rate"
    keys = ["train.learning_rate"]
    if config.pivotal.enabled:
        keys.append("train.embedding_learning_rate")
    elif config.text_encoder_lora.enabled:
        keys.append("train.text_encoder_learning_rate")
    changes = dict(zip(keys, low, strict=False))
    return changes, f"learning rate {unet:g} to {low[0]:g}", why


# -- the rest ---------------------------------------------------------------------------------------------------------


def _disk(case: BadEnd) -> list[Remedy]:
    keep = case.config.train.keep_checkpoints
    found = [_as_it_was(case, "once there is room: what was saved is whole")]
    if keep > 1:
        why = "older ones lose their optimizer's state when the next one is written; make room for that one first"
        found.append(
            _remedy(
                case,
                f"optimizer state of 1 checkpoint, not of {keep}",
                why,
                {"train.keep_checkpoints": 1},
            )
        )
    return found


def _data(case: BadEnd) -> list[Remedy]:
    again = _as_it_was(case, "once what is named above is put right")
    optimizer = case.config.train.optimizer
    if optimizer == "adamw-8bit" and importlib.util.find_spec("bitsandbytes") is None:
        why = "bitsandbytes is not installed; this one needs nothing more, and more memory"
        return [_remedy(case, "AdamW in place of its 8-bit form", why, {"train.optimizer": "adamw"}, anew=True), again]
    why = "this run's checkpoints belong to what it was begun with"
    anew = [_remedy(case, "begin again with what is there now", why, {}, anew=True)] if case.checkpoints else []
    if not case.pictures:
        return [again, *anew]
    names = case.pictures
    title = f"leave out {safe_text(names[0], 40) if len(names) == 1 else plural(len(names), 'picture')}"
    skip = {"dataset.skip": (*case.config.dataset.skip, *(one for one in names if one not in case.config.dataset.skip))}
    return [_remedy(case, title, "the others are good", skip), again, *anew]


def _as_it_was(case: BadEnd, why: str) -> Remedy:
    return _remedy(case, "change nothing, go on", why, {})


def _remedy(
    case: BadEnd,
    title: str,
    why: str,
    changes: Mapping[str, Any],
    memory: tuple[int, int] | None = None,
    anew: bool = False,
) -> Remedy:
    """Where a remedy leads: on from the newest sound checkpoint if the change can be made there, else a new run."""
    new = changed(case.config, changes)
    moved = changes_between(case.config, new)
    newest = case.checkpoints[-1] if case.checkpoints else 0
    step = newest if case.kind != "nan" else case.sound[-1] if case.sound else 0
    other_optimizer = any(one.key == "train.optimizer" for one in moved)  # its rates are resolved anew
    lost = bool(newest) and not step  # nothing that was saved is worth going on from
    if anew or lost or other_optimizer or (step and refusals_of(case.config, new, step)):
        return Remedy(title, why, changes, "new run", memory=memory, effect="training")
    goes: Goes = "checkpoint" if step else "beginning"
    return Remedy(title, why, changes, goes, step, step < newest, effect_of(moved), memory)
