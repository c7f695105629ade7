"""The changes that need less memory, the cheapest in result first: what each sets, what it costs, who says so."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from trainer.contract.basemodel.inspect import base_of
from trainer.contract.settings.config import TrainConfig

SLICED = 11  # prodigyopt's README: "set slice_p to 11 if you have limited memory"
STEP = 64  # px; every resolution is a multiple of it
PASSES = 1024  # the most that train.accumulation may be

Settings = dict[str, Any]


@dataclass(frozen=True)
class Rung:
    """A kind of change. `down` gives the settings to try, each needing less than the one before."""

    name: str
    down: Callable[[TrainConfig], Iterator[Settings]]
    cost: str
    source: str


def _checkpointing(config: TrainConfig) -> Iterator[Settings]:
    if not config.train.gradient_checkpointing:
        yield {"train.gradient_checkpointing": True}


def _batch(config: TrainConfig) -> Iterator[Settings]:
    train = config.train
    for size in range(train.batch - 1, 0, -1):
        if train.batch % size == 0 and train.batch // size * train.accumulation <= PASSES:
            yield {"train.batch": size, "train.accumulation": train.batch // size * train.accumulation}


def _class_batch(config: TrainConfig) -> Iterator[Settings]:
    if config.prior.enabled and config.prior.batch > 1:
        yield {"prior.batch": 1}


def _vae(config: TrainConfig) -> Iterator[Settings]:
    if config.model.vae_precision == "fp32":
        yield {"model.vae_precision": "auto"}


def _slices(config: TrainConfig) -> Iterator[Settings]:
    if config.train.optimizer == "prodigy" and config.prodigy.slice_p < SLICED:
        yield {"prodigy.slice_p": SLICED}


def _eight_bit(config: TrainConfig) -> Iterator[Settings]:
    if config.train.optimizer == "adamw":
        yield {"train.optimizer": "adamw-8bit"}


def _precision(config: TrainConfig) -> Iterator[Settings]:
    if config.train.precision == "fp32":
        yield {"train.precision": "bf16"}


def _rank(lowest: int) -> Callable[[TrainConfig], Iterator[Settings]]:
    def down(config: TrainConfig) -> Iterator[Settings]:
        rank = config.train.rank // 2
        while rank >= lowest:
            # alpha follows the rank only where it is 0; given, it keeps its proportion
            scaled = {"train.alpha": config.train.alpha * rank / config.train.rank} if config.train.alpha else {}
            yield {"train.rank": rank, **scaled}
            rank //= 2

    return down


def _resolution(*shares: float) -> Callable[[TrainConfig], Iterator[Settings]]:
    def down(config: TrainConfig) -> Iterator[Settings]:
        native = base_of(config.model).native
        for side in (int(native * share) // STEP * STEP for share in shares):
            if STEP <= side < config.train.resolution:
                yield {"train.resolution": side}

    return down


def _targets(config: TrainConfig) -> Iterator[Settings]:
    if config.train.targets == "all-linear" and not config.train.blocks:
        yield {"train.targets": "attention"}


def _ordinary_words(config: TrainConfig) -> Iterator[Settings]:
    if config.pivotal.enabled:
        yield {"pivotal.enabled": False}
    elif config.text_encoder_lora.enabled:
        yield {"text_encoder_lora.enabled": False}


COUNTED = "counted on SDXL: 19.5 in place of 14.3 TFLOP a picture"
SMALLER_RANK = "seed: 32 is its default, of 4, 16, 32 and 64"
SMALLER = "SDXL was trained around 1024 px; below 768 it draws worse"
# The cheapest in result first: what only takes time, what hardly changes a number, what teaches less.
LADDER = (
    Rung("checkpointing", _checkpointing, "the same result; steps take about a third longer", COUNTED),
    Rung(
        "batch",
        _batch,
        "the same mathematics in more, smaller passes; somewhat slower",
        "diffusers' script (gradient_accumulation_steps); each picture keeps its own draws",
    ),
    Rung("class batch", _class_batch, "class pictures are made one at a time: slower, once", "diffusers' script"),
    Rung("VAE", _vae, "the VAE in the precision that it was made for", "diffusers' script (force_upcast)"),
    Rung(
        "slices",
        _slices,
        "the rate is estimated from every 11th number: hardly any other result",
        "prodigyopt's README: 'set slice_p to 11 if you have limited memory'",
    ),
    Rung("8-bit", _eight_bit, "the optimizer's state in bytes: hardly any other result", "bitsandbytes"),
    Rung(
        "precision",
        _precision,
        "the frozen base model in half precision; the LoRA stays in fp32",
        "seed (mixed_precision=bf16)",
    ),
    Rung("rank", _rank(8), "a smaller LoRA: generalises more, resembles less", SMALLER_RANK),
    Rung("resolution", _resolution(0.875, 0.75), "smaller pictures: faster, fewer fine details", SMALLER),
    Rung("targets", _targets, "a LoRA on the attention alone: learns less", "diffusers' script, whose default it is"),
    Rung(
        "words",
        _ordinary_words,
        "the words are not trained: the encoders leave the memory before the first step; less likeness",
        "seed: pivotal tuning did better in its experiments",
    ),
    Rung("small rank", _rank(4), "a very small LoRA", SMALLER_RANK),
    Rung("small pictures", _resolution(0.625, 0.5), "much smaller pictures: SDXL draws worse there", SMALLER),
)
