"""What takes less memory, the cheapest in result first: what each sets, what it costs, who says so, where it helps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from loratui.planning import smaller
from loratui.planning.smaller import Down
from trainer.contract.plan.levels import LONGER
from trainer.contract.plan.sharing import uneven
from trainer.contract.run.changes import effect_between, refusals_of
from trainer.contract.settings.config import TrainConfig, flat, nested
from trainer.contract.settings.optimizers import BITS

STEPPING = frozenset({"train", "save"})  # phases that keep activations; loading, encoding and drawing keep none
DRAWING = frozenset({"sample"})


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
    return effect_between(config, changed(config, settings)) != "training"


def shared_by(settings: Mapping[str, Any], world: int) -> bool:
    """Whether `world` processes can share the passes of a step that is split so; also where it is not split."""
    size, passes = settings.get("train.batch"), settings.get("train.accumulation")
    return size is None or passes is None or not uneven(size, passes, world)


RECOMPUTED = "the same result; steps take {}"
COUNTED = "counted on SDXL: {} in place of 14.3 TFLOP a picture"
SMALLER_RANK = "the post: 32 is its default, of 4, 16, 32 and 64"
SMALLER = "SDXL was trained around 1024 px; below 768 it draws worse"
RANK_TITLE = "rank {old[train.rank]} to {new[train.rank]}"
SIDE_TITLE = "resolution {old[train.resolution]} to {new[train.resolution]} px"
# The cheapest in result first: what the training knows nothing of, what only takes time, what hardly changes a number,
# what teaches less. After a run has run out of memory each try costs a load of the model, so that only some places are
# offered of a step that goes down far, and of what is made again all of it.
MEMORY_STEPS = (
    MemoryStep(
        "tiles",
        smaller.tiles,
        "sample pictures decoded in tiles",
        "sample pictures may have faint seams; the training is untouched",
        "diffusers (enable_tiling)",
        same=True,
        again=(0,),
        phases=DRAWING,
    ),
    MemoryStep(
        "smaller samples",
        smaller.smaller_samples,
        "sample pictures of the training's size",
        "sample pictures no larger than those of the training, which is untouched",
        "decoding takes memory as the pixels: counted on SDXL's VAE",
        same=True,
        again=(0,),
        phases=DRAWING,
    ),
    MemoryStep(
        "no samples",
        smaller.no_samples,
        "no sample pictures",
        "no sample pictures at all: only the loss shows how the run is doing; the training is untouched",
        "diffusers' script (num_validation_images)",
        same=True,
        again=(0,),
        phases=DRAWING,
    ),
    MemoryStep(
        "half VAE",
        smaller.half_vae,
        "a VAE that works in half precision",
        "another VAE with the same latents: hardly any difference, a download of 0.3 GB",
        "the post (madebyollin/sdxl-vae-fp16-fix)",
    ),
    MemoryStep(
        "VAE",
        smaller.vae,
        "VAE in its own precision",
        "samples are decoded in the precision that the VAE was made for",
        "diffusers' script (force_upcast)",
        again=(0,),
    ),
    MemoryStep(
        "norms",
        smaller.checkpointing("norms"),
        "norms recomputed",
        RECOMPUTED.format(LONGER["norms"]),
        COUNTED.format(14.3),
        same=True,
        phases=STEPPING,
    ),
    MemoryStep(
        "feed-forward",
        smaller.checkpointing("feed-forward"),
        "feed-forward recomputed",
        RECOMPUTED.format(LONGER["feed-forward"]),
        COUNTED.format(16.2),
        same=True,
        phases=STEPPING,
    ),
    MemoryStep(
        "checkpointing",
        smaller.checkpointing("blocks"),
        "whole blocks recomputed",
        RECOMPUTED.format(LONGER["blocks"]),
        COUNTED.format(19.5),
        same=True,
        again=(0,),
        phases=STEPPING,
    ),
    MemoryStep(
        "batch",
        smaller.batch,
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
        smaller.class_batch,
        "class pictures one at a time",
        "class pictures are made one at a time: slower, once",
        "diffusers' script",
        again=(0,),
        phases=frozenset({"prior"}),
    ),
    MemoryStep(
        "latents",
        smaller.latents,
        "pictures encoded in the precision of the training",
        "their latents are about 1 % off, the same way in every epoch",
        "measured in bf16; diffusers' script encodes in fp32",
        again=(0,),
        phases=frozenset({"cache"}),
    ),
    MemoryStep(
        "slices",
        smaller.slices,
        "slice_p {old[prodigy.slice_p]} to {new[prodigy.slice_p]}",
        "the rate is estimated from every 11th number: hardly any change in the result",
        "prodigyopt's README: 'set slice_p to 11 if you have limited memory'",
        again=(0,),
    ),
    MemoryStep(
        "8-bit",
        smaller.eight_bit,
        "8-bit AdamW",
        "the optimizer's state in bytes: hardly any change in the result",
        "bitsandbytes",
        again=(0,),
        needs=BITS,
    ),
    MemoryStep(
        "precision",
        smaller.precision,
        "precision fp32 to bf16",
        "the frozen base model in half precision; the LoRA stays in fp32",
        "the post (mixed_precision=bf16)",
        again=(0,),
        gpu=True,
    ),
    MemoryStep(
        "quantized",
        smaller.quantized,
        "the frozen base in {new[model.quantize]}",
        "learned on a base that is a little off (int8: 0.8 % a weight, nf4: 9 %); steps take up to a quarter longer",
        "QLoRA; bitsandbytes",
        needs=BITS,
    ),
    MemoryStep(
        "average",
        smaller.average,
        "no average of the weights",
        "the last step is exported instead of an average over the end: a little less smooth",
        "4 bytes a trained number",
        again=(0,),
    ),
    MemoryStep(
        "rank",
        smaller.rank(8),
        RANK_TITLE,
        "a smaller LoRA: generalises more, resembles less",
        SMALLER_RANK,
        again=(0,),
    ),
    MemoryStep(
        "resolution",
        smaller.resolution(0.875, 0.75),
        SIDE_TITLE,
        "smaller pictures: faster, fewer fine details",
        SMALLER,
        again=(-1,),
    ),
    MemoryStep(
        "targets",
        smaller.targets,
        "a LoRA on the attention alone",
        "a LoRA on the attention alone: learns less",
        "diffusers' script, whose default it is",
    ),
    MemoryStep(
        "words",
        smaller.ordinary_words,
        "the words untrained",
        "the words are not trained: the encoders leave the memory before the first step; less likeness",
        "the post: pivotal tuning did better in its experiments",
    ),
    MemoryStep(
        "other optimizer",
        smaller.other_optimizer,
        "8-bit AdamW",
        "AdamW at its own rates, its state in bytes: no rate is found for your pictures, as Prodigy would",
        "cog-sdxl's rates; bitsandbytes",
        planned=False,
        again=(0,),
        needs=BITS,
    ),
    MemoryStep("small rank", smaller.rank(4), RANK_TITLE, "a very small LoRA", SMALLER_RANK),
    MemoryStep(
        "small pictures",
        smaller.resolution(0.625, 0.5),
        SIDE_TITLE,
        "much smaller pictures: SDXL draws worse there",
        SMALLER,
    ),
)
