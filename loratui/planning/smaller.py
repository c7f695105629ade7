"""The settings to try for each kind of change that takes less memory, each needing less than the one before."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any, get_args

from trainer.contract.basemodel.inspect import NotSDXL, base_of
from trainer.contract.plan.adapter_size import by_layer
from trainer.contract.plan.vae_memory import WIDTH, vae_widths
from trainer.contract.settings.config import SDXL_VAE, TrainConfig
from trainer.contract.settings.model import Quantize
from trainer.contract.settings.training import Checkpointing

FULL = 1024  # px that SDXL itself was made for
SLICED = 11  # prodigyopt's README: "set slice_p to 11 if you have limited memory"
STEP = 64  # px; every resolution is a multiple of it
PASSES = 1024  # the most that train.accumulation may be
RATES = ("train.learning_rate", "train.embedding_learning_rate", "train.text_encoder_learning_rate")

Settings = dict[str, Any]
Down = Callable[[TrainConfig], Iterator[Settings]]


def tiles(config: TrainConfig) -> Iterator[Settings]:
    if config.sample.drawn and not config.sample.tiles:
        yield {"sample.tiles": True}


def smaller_samples(config: TrainConfig) -> Iterator[Settings]:
    """As large as the pictures of the training, which 0 stands for; a size that a prompt has of its own stays."""
    sides = {name: getattr(config.sample, name) for name in ("width", "height")}
    larger: Settings = {f"sample.{name}": 0 for name, side in sides.items() if side > config.train.resolution}
    if config.sample.drawn and larger:
        yield larger


def no_samples(config: TrainConfig) -> Iterator[Settings]:
    if config.sample.drawn:
        yield {"sample.count": 0}


def half_vae(config: TrainConfig) -> Iterator[Settings]:
    """In place of a VAE that overflows in half precision; its latents are those of every SDXL."""
    if config.model.vae_precision == "auto" and config.train.precision != "fp32" and _native(config) == FULL:
        with suppress(NotSDXL):
            if vae_widths(config, base_of(config.model))[1] == WIDTH["fp32"]:
                yield {"model.vae": SDXL_VAE}


def checkpointing(what: Checkpointing) -> Down:
    def down(config: TrainConfig) -> Iterator[Settings]:
        levels, now = get_args(Checkpointing), config.train.gradient_checkpointing
        nodes = not by_layer(config)  # else: whole blocks, or nothing
        if now != "auto" and levels.index(what) > levels.index(now) and (nodes or what == "blocks"):
            yield {"train.gradient_checkpointing": what}

    return down


def batch(config: TrainConfig) -> Iterator[Settings]:
    train = config.train
    product = train.batch * train.accumulation
    for size in range(train.batch - 1, 0, -1):
        if product % size == 0 and product // size <= PASSES:
            yield {"train.batch": size, "train.accumulation": product // size}


def class_batch(config: TrainConfig) -> Iterator[Settings]:
    if config.prior.enabled and config.prior.batch > 1:
        yield {"prior.batch": 1}


def vae(config: TrainConfig) -> Iterator[Settings]:
    if config.model.vae_precision == "fp32":
        yield {"model.vae_precision": "auto"}


def latents(config: TrainConfig) -> Iterator[Settings]:
    if config.model.vae_precision != "training" and config.train.precision != "fp32":
        yield {"model.vae_precision": "training"}


def slices(config: TrainConfig) -> Iterator[Settings]:
    if config.train.optimizer == "prodigy" and config.prodigy.slice_p < SLICED:
        yield {"prodigy.slice_p": SLICED}


def eight_bit(config: TrainConfig) -> Iterator[Settings]:
    if config.train.optimizer == "adamw":
        yield {"train.optimizer": "adamw-8bit"}


def other_optimizer(config: TrainConfig) -> Iterator[Settings]:
    if config.train.optimizer == "prodigy":
        yield {"train.optimizer": "adamw-8bit", **dict.fromkeys(RATES, 0.0)}


def precision(config: TrainConfig) -> Iterator[Settings]:
    if config.train.precision == "fp32":
        yield {"train.precision": "bf16"}


def quantized(config: TrainConfig) -> Iterator[Settings]:
    kinds = get_args(Quantize)
    if config.train.dora:  # whose lengths would be those of other weights
        return
    for how in kinds[kinds.index(config.model.quantize) + 1 :]:
        yield {"model.quantize": how}


def average(config: TrainConfig) -> Iterator[Settings]:
    if config.train.ema:
        yield {"train.ema": 0.0}


def rank(lowest: int) -> Down:
    def down(config: TrainConfig) -> Iterator[Settings]:
        rank = config.train.rank // 2
        while rank >= lowest:
            # alpha follows the rank only where it is 0; given, it keeps its proportion
            scaled = {"train.alpha": config.train.alpha * rank / config.train.rank} if config.train.alpha else {}
            yield {"train.rank": rank, **scaled}
            rank //= 2

    return down


def resolution(*shares: float) -> Down:
    def down(config: TrainConfig) -> Iterator[Settings]:
        for side in (int(_native(config) * share) // STEP * STEP for share in shares):
            if STEP <= side < config.train.resolution:
                yield {"train.resolution": side}

    return down


def _native(config: TrainConfig) -> int:
    try:
        return base_of(config.model).native
    except NotSDXL:
        return FULL  # what cannot be looked at is said elsewhere


def targets(config: TrainConfig) -> Iterator[Settings]:
    if config.train.targets == "all-linear" and not config.train.blocks:
        yield {"train.targets": "attention"}


def ordinary_words(config: TrainConfig) -> Iterator[Settings]:
    if config.pivotal.enabled:
        yield {"pivotal.enabled": False}
    elif config.text_encoder_lora.enabled:
        yield {"text_encoder_lora.enabled": False}
