"""Settings that take less memory than those of a run: first what leaves its training as it is, then what does not."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from trainer.contract.basemodel.inspect import NotSDXL, base_of
from trainer.contract.settings.config import TrainConfig

SMALLEST = 768 / 1024  # of the base model's own resolution: below it SDXL draws worse (train.resolution's help)
SHORTEST = 8  # rank below which the LoRA is no longer what takes the memory


@dataclass(frozen=True)
class Lighter:
    """One change that may take less memory, and what it costs."""

    title: str
    changes: Mapping[str, Any]  # dotted settings -> values
    why: str


def lighter(config: TrainConfig, phase: str, gpu: bool, world: int) -> list[Lighter]:
    """What may help where memory ran out in `phase`, in a run of `world` processes; the cheapest first."""
    return [*_same_training(config, phase, world), *_smaller_training(config, phase, gpu)]


def _same_training(config: TrainConfig, phase: str, world: int) -> list[Lighter]:
    train = config.train
    found: list[Lighter] = []
    if phase not in ("train", "save"):  # loading, encoding and drawing keep no activations
        return found
    on = {"train.gradient_checkpointing": True}
    if not train.gradient_checkpointing:
        why = "activations are computed twice in place of being kept: about a third slower"
        found.append(Lighter("gradient checkpointing on", on, why))
    product = train.batch * train.accumulation
    smaller = [] if train.dropout else _splits(config, world)
    for size in dict.fromkeys([*smaller[:1], *smaller[-1:]]):
        changes = {"train.batch": size, "train.accumulation": product // size}
        title = f"batch {train.batch} to {size}, accumulation {train.accumulation} to {product // size}"
        why = "fewer pictures at a time, as many in each step: slower where the GPU is not full"
        found.append(Lighter(title, changes, why))
    if smaller and not train.gradient_checkpointing:
        size = smaller[-1]
        both = {**on, "train.batch": size, "train.accumulation": product // size}
        title = f"checkpointing on, batch {size}, accumulation {product // size}"
        found.append(Lighter(title, both, "the least that a step takes"))
    return found


def _splits(config: TrainConfig, world: int) -> list[int]:
    """Smaller batches that divide the step, the largest first, as the processes of the run can share it."""
    train = config.train
    product = train.batch * train.accumulation
    sizes = [size for size in range(train.batch - 1, 0, -1) if product % size == 0]
    return [size for size in sizes if (product // size) % world == 0 or size % world == 0]


def _smaller_training(config: TrainConfig, phase: str, gpu: bool) -> list[Lighter]:
    train = config.train
    found: list[Lighter] = []
    if phase == "prior" and config.prior.batch > 1:
        why = "they are made before the training, in batches"
        found.append(Lighter("class pictures one at a time", {"prior.batch": 1}, why))
    if train.precision == "fp32" and gpu:
        why = "the frozen base model takes half"
        found.append(Lighter("precision fp32 to bf16", {"train.precision": "bf16"}, why))
    side = round(train.resolution * 3 / 4 / 64) * 64
    if SMALLEST * _native(config) <= side < train.resolution:
        why = "activations go with the area; fine detail is lost"
        found.append(Lighter(f"resolution {train.resolution} to {side} px", {"train.resolution": side}, why))
    if train.optimizer == "prodigy" and config.prodigy.slice_p == 1:
        why = "Prodigy then estimates from every 11th number: about a third less of its memory"
        found.append(Lighter("slice_p 1 to 11", {"prodigy.slice_p": 11}, why))
    if train.optimizer != "adamw-8bit" and importlib.util.find_spec("bitsandbytes") is not None:
        why = "its state takes 2 bytes a number; the rates are AdamW's own"
        own = {"train.optimizer": "adamw-8bit", "train.learning_rate": 0.0, "train.embedding_learning_rate": 0.0}
        found.append(Lighter("8-bit AdamW", own, why))
    if train.rank > SHORTEST:
        why = "half as many trained numbers, and so half of their gradients and of the optimizer's state"
        half = train.rank // 2
        found.append(Lighter(f"rank {train.rank} to {half}", {"train.rank": half}, why))
    return found


def _native(config: TrainConfig) -> int:
    try:
        return base_of(config.model).native
    except NotSDXL:
        return 1024
