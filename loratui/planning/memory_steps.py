"""What takes less memory, the cheapest in result first: what each sets, what it costs, who says so, where it helps."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from trainer.contract.basemodel.inspect import NotSDXL, base_of
from trainer.contract.run.changes import changes_between, effect_of, refusals_of
from trainer.contract.settings.config import TrainConfig, flat, nested

SLICED = 11  # prodigyopt's README: "set slice_p to 11 if you have limited memory"
STEP = 64  # px; every resolution is a multiple of it
PASSES = 1024  # the most that train.accumulation may be
RATES = ("train.learning_rate", "train.embedding_learning_rate", "train.text_encoder_learning_rate")
STEPPING = frozenset({"train", "save"})  # phases that keep activations; loading, encoding and drawing keep none

Settings = dict[str, Any]
Down = Callable[[TrainConfig], Iterator[Settings]]


@dataclass(frozen=True)
class MemoryStep:
    """A kind of change. `down` gives the settings to try, each needing less than the one before."""

    name: str
    down: Down
    title: str  # of one of its settings; {old[key]} and {new[key]} are the values
    cost: str  # to the result, or to the time
    source: str
    same: bool = False  # meant to leave the training as it is; `stays_the_same` asks the trainer's rules
    planned: bool = True  # whether a plan proposes it; not where a tried recipe would become another one
    again: tuple[int, ...] = ()  # which of its settings are offered to a run that ran out of memory; none: to none
    phases: frozenset[str] = frozenset()  # of the trainer, where that memory is taken; empty: in all
    gpu: bool = False  # helps only there: on a CPU the trainer computes in fp32 anyway
    needs: str = ""  # the package that it takes

    def titled(self, config: TrainConfig, settings: Mapping[str, Any]) -> str:
        """What is changed in `config`, such as "rank 32 to 16"."""
        return self.title.format(old=flat(config), new=settings)


def changed(config: TrainConfig, settings: Mapping[str, Any]) -> TrainConfig:
    """`config` with these values under their dotted keys. Raises ValueError for what is out of bounds."""
    return TrainConfig.model_validate(nested({**flat(config), **settings}))


def goes_on(config: TrainConfig, settings: Mapping[str, Any]) -> bool:
    """Whether a run with `config` can go on from its checkpoint with these settings, by the trainer's own rules."""
    return not refusals_of(config, changed(config, settings), step=1)


def stays_the_same(config: TrainConfig, settings: Mapping[str, Any]) -> bool:
    """Whether its training then stays the one that was begun, but for rounding."""
    moved = changes_between(config, changed(config, settings))
    return goes_on(config, settings) and effect_of(moved) != "training"


def shared_by(settings: Mapping[str, Any], world: int) -> bool:
    """Whether `world` processes can share the passes of a step that is split so; also where it is not split."""
    size, passes = settings.get("train.batch"), settings.get("train.accumulation")
    return size is None or passes is None or passes % world == 0 or size % world == 0


def _checkpointing(config: TrainConfig) -> Iterator[Settings]:
    if not config.train.gradient_checkpointing:
        yield {"train.gradient_checkpointing": True}


def _batch(config: TrainConfig) -> Iterator[Settings]:
    train = config.train
    product = train.batch * train.accumulation
    for size in range(train.batch - 1, 0, -1):
        if product % size == 0 and product // size <= PASSES:
            yield {"train.batch": size, "train.accumulation": product // size}


def _class_batch(config: TrainConfig) -> Iterator[Settings]:
    if config.prior.enabled and config.prior.batch > 1:
        yield {"prior.batch": 1}


def _vae(config: TrainConfig) -> Iterator[Settings]:
    if config.model.vae_precision == "fp32":
        yield {"model.vae_precision": "auto"}


def _latents(config: TrainConfig) -> Iterator[Settings]:
    if config.model.vae_precision != "training" and config.train.precision != "fp32":
        yield {"model.vae_precision": "training"}


def _slices(config: TrainConfig) -> Iterator[Settings]:
    if config.train.optimizer == "prodigy" and config.prodigy.slice_p < SLICED:
        yield {"prodigy.slice_p": SLICED}


def _eight_bit(config: TrainConfig) -> Iterator[Settings]:
    if config.train.optimizer == "adamw":
        yield {"train.optimizer": "adamw-8bit"}


def _other_optimizer(config: TrainConfig) -> Iterator[Settings]:
    if config.train.optimizer == "prodigy":
        yield {"train.optimizer": "adamw-8bit", **dict.fromkeys(RATES, 0.0)}


def _precision(config: TrainConfig) -> Iterator[Settings]:
    if config.train.precision == "fp32":
        yield {"train.precision": "bf16"}


def _rank(lowest: int) -> Down:
    def down(config: TrainConfig) -> Iterator[Settings]:
        rank = config.train.rank // 2
        while rank >= lowest:
            # alpha follows the rank only where it is 0; given, it keeps its proportion
            scaled = {"train.alpha": config.train.alpha * rank / config.train.rank} if config.train.alpha else {}
            yield {"train.rank": rank, **scaled}
            rank //= 2

    return down


def _resolution(*shares: float) -> Down:
    def down(config: TrainConfig) -> Iterator[Settings]:
        for side in (int(_native(config) * share) // STEP * STEP for share in shares):
            if STEP <= side < config.train.resolution:
                yield {"train.resolution": side}

    return down


def _native(config: TrainConfig) -> int:
    try:
        return base_of(config.model).native
    except NotSDXL:
        return 1024  # SDXL's own; what cannot be looked at is said elsewhere


def _targets(config: TrainConfig) -> Iterator[Settings]:
    if config.train.targets == "all-linear" and not config.train.blocks:
        yield {"train.targets": "attention"}


def _ordinary_words(config: TrainConfig) -> Iterator[Settings]:
    if config.pivotal.enabled:
        yield {"pivotal.enabled": False}
    elif config.text_encoder_lora.enabled:
        yield {"text_encoder_lora.enabled": False}


COUNTED = "counted on SDXL: 19.5 in place of 14.3 TFLOP a picture"
SMALLER_RANK = "the post: 32 is its default, of 4, 16, 32 and 64"
SMALLER = "SDXL was trained around 1024 px; below 768 it draws worse"
RANK_TITLE = "rank {old[train.rank]} to {new[train.rank]}"
SIDE_TITLE = "resolution {old[train.resolution]} to {new[train.resolution]} px"
# The cheapest in result first: what only takes time, what hardly changes a number, what teaches less; but encoding in
# half precision before the batch, which saves nothing as long as encoding needs more than a step. After a run has
# run out of memory each try costs a load of the model, so of a step that goes down far only some places are offered.
MEMORY_STEPS = (
    MemoryStep(
        "checkpointing",
        _checkpointing,
        "gradient checkpointing on",
        "the same result; steps take about a third longer",
        COUNTED,
        same=True,
        again=(0,),
        phases=STEPPING,
    ),
    MemoryStep(
        "latents",
        _latents,
        "pictures encoded in the precision of the training",
        "their latents are about 1 % off, the same way in every epoch",
        "measured in bf16; diffusers' script encodes in fp32",
        again=(0,),
        phases=frozenset({"cache"}),
    ),
    MemoryStep(
        "batch",
        _batch,
        "batch {old[train.batch]} to {new[train.batch]}, "
        "accumulation {old[train.accumulation]} to {new[train.accumulation]}",
        "the same mathematics in more, smaller passes; somewhat slower",
        "diffusers' script (gradient_accumulation_steps); each picture keeps its own draws",
        same=True,
        again=(0, -1),
        phases=STEPPING,
    ),
    MemoryStep(
        "class batch",
        _class_batch,
        "class pictures one at a time",
        "class pictures are made one at a time: slower, once",
        "diffusers' script",
        again=(0,),
        phases=frozenset({"prior"}),
    ),
    MemoryStep(
        "VAE",
        _vae,
        "VAE in its own precision",
        "samples are decoded in the precision that the VAE was made for",
        "diffusers' script (force_upcast)",
        again=(0,),
    ),
    MemoryStep(
        "slices",
        _slices,
        "slice_p {old[prodigy.slice_p]} to {new[prodigy.slice_p]}",
        "the rate is estimated from every 11th number: hardly any other result",
        "prodigyopt's README: 'set slice_p to 11 if you have limited memory'",
        again=(0,),
    ),
    MemoryStep(
        "8-bit",
        _eight_bit,
        "8-bit AdamW",
        "the optimizer's state in bytes: hardly any other result",
        "bitsandbytes",
        again=(0,),
        needs="bitsandbytes",
    ),
    MemoryStep(
        "precision",
        _precision,
        "precision fp32 to bf16",
        "the frozen base model in half precision; the LoRA stays in fp32",
        "seed (mixed_precision=bf16)",
        again=(0,),
        gpu=True,
    ),
    MemoryStep(
        "rank", _rank(8), RANK_TITLE, "a smaller LoRA: generalises more, resembles less", SMALLER_RANK, again=(0,)
    ),
    MemoryStep(
        "resolution",
        _resolution(0.875, 0.75),
        SIDE_TITLE,
        "smaller pictures: faster, fewer fine details",
        SMALLER,
        again=(-1,),
    ),
    MemoryStep(
        "targets",
        _targets,
        "a LoRA on the attention alone",
        "a LoRA on the attention alone: learns less",
        "diffusers' script, whose default it is",
    ),
    MemoryStep(
        "words",
        _ordinary_words,
        "the words untrained",
        "the words are not trained: the encoders leave the memory before the first step; less likeness",
        "the post: pivotal tuning did better in its experiments",
    ),
    MemoryStep(
        "other optimizer",
        _other_optimizer,
        "8-bit AdamW",
        "AdamW at its own rates, its state in bytes: no rate is found for your pictures, as Prodigy does",
        "cog-sdxl's rates; bitsandbytes",
        planned=False,
        again=(0,),
        needs="bitsandbytes",
    ),
    MemoryStep("small rank", _rank(4), RANK_TITLE, "a very small LoRA", SMALLER_RANK),
    MemoryStep(
        "small pictures",
        _resolution(0.625, 0.5),
        SIDE_TITLE,
        "much smaller pictures: SDXL draws worse there",
        SMALLER,
    ),
)
