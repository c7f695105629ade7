"""How much memory, disk and arithmetic a run will take, by part; every constant with its source."""

from __future__ import annotations

from dataclasses import dataclass, replace

from trainer.contract.basemodel.inspect import BaseModel, base_of
from trainer.contract.plan.adapter_size import AdapterSize, by_layer
from trainer.contract.plan.memory import (
    Device,
    MemoryNeed,
    MemoryPart,
    made_again,
    memory,
    ram,
    size_of,
    state_bytes,
)
from trainer.contract.plan.model_shape import model_shape
from trainer.contract.plan.vae_memory import WIDTH
from trainer.contract.run.exports import DIFFUSERS, lora_files, lora_sizes
from trainer.contract.settings.arithmetic import FORWARDS, checkpoint_steps, measured_rounds, sample_steps
from trainer.contract.settings.config import TrainConfig
from trainer.contract.settings.kinds import CHUNK
from trainer.contract.settings.prompts import sample_pictures, sample_side
from trainer.contract.settings.tracking import NO_SAMPLES
from trainer.contract.settings.training import Checkpointing
from trainer.contract.units import plural

REVISION = 7  # of the constants of this and of memory.py: what was learned from runs against others is not used

# Arithmetic of one picture of 1024 px, in FLOP: LoRA forward and backward, with what is made again (performance.md).
PICTURE_FLOP: dict[Checkpointing, float] = {
    "off": 14.31e12,
    "norms": 14.31e12,
    "feed-forward": 16.19e12,
    "blocks": 19.50e12,
}
# Of one picture of 1024 px beside that (performance.md): through the unet once, into latents and out of them.
FORWARD_FLOP, ENCODE_FLOP, DECODE_FLOP = 6.76e12, 4.88e12, 10.47e12
PNG_BYTES = 1.6  # a pixel of a photograph: PNG saves about half of its three bytes


@dataclass(frozen=True)
class Estimate:
    """What a run will take: memory before and after the pivot, and disk, each by part."""

    memory: tuple[MemoryPart, ...]  # at its peak, before the pivot
    memory_after: int  # bytes once the text encoders are released; the same where nothing is
    ram: int  # bytes of RAM at the fullest beside a GPU; 0 where it trains in RAM
    disk: tuple[MemoryPart, ...]
    lora_parameters: int
    exact: bool  # counted from the model's own headers, not from SDXL's known size
    unet_parameters: int  # what two models of one size share
    step_flop: float  # arithmetic of one optimizer step
    first_flop: float = 0.0  # of all that comes before the first one
    caption_bytes: int = 0  # of what the frozen keys and values make of one caption; 0 where no run keeps it
    words_kept: int = 0  # bytes of that which are in `memory`, where it was decided that they are kept

    @property
    def memory_total(self) -> int:
        """Bytes of memory at the fullest."""
        return sum(one.bytes for one in self.memory)

    @property
    def memory_rough(self) -> int:
        """Bytes of it that are no plain count."""
        return sum(one.bytes for one in self.memory if one.rough)

    @property
    def disk_total(self) -> int:
        """Bytes on disk at the fullest."""
        return sum(one.bytes for one in self.disk)


def estimate(config: TrainConfig, images: int, device: Device = "cuda") -> Estimate:
    """The need of `config` on `images` pictures, trained on `device`. Raises NotSDXL for what is no SDXL model."""
    base = base_of(config.model)
    shape = model_shape(config, base)
    rows = sum(config.token_counts.values())
    need = MemoryNeed(config, base, shape, device, rows * shape.token_width)
    parts, after = memory(need)
    pictures = config.train.batch * config.train.accumulation * (2 if config.prior.enabled else 1)
    return Estimate(
        memory=parts,
        memory_after=after,
        ram=ram(need),
        disk=_disk(config, base, shape.adapter, need.trained, images),
        lora_parameters=shape.lora,
        exact=shape.exact,
        unet_parameters=shape.parameters["unet"],
        step_flop=PICTURE_FLOP[made_again(config)] * pictures * size_of(config, base, shape),
        first_flop=_first_flop(config, images, size_of(config, base, shape)) + shape.adapter.start_flop,
        caption_bytes=_caption(need),
    )


def _caption(need: MemoryNeed) -> int:
    """Bytes of what the frozen keys and values make of one caption; 0 where the unet reads it layer by layer."""
    own = need.config.caption
    read_apart = by_layer(need.config) or own.varies
    return 0 if read_apart else need.shape.words * own.chunks * (CHUNK + 2) * need.width


def _first_flop(config: TrainConfig, images: int, size: float) -> float:
    """Latents, pictures of the base model with and without their prompt, and the first loss at fixed noise."""
    sample, pixels = config.sample, (config.train.resolution / 1024) ** 2
    shown = len(sample_pictures(config)) if 0 in sample_steps(config) else 0
    more = (sample_side(config) / config.train.resolution) ** 2
    passes = shown * sample.steps * 2 * more + FORWARDS * measured_rounds(config)
    return passes * FORWARD_FLOP * size + (shown * more * DECODE_FLOP + images * ENCODE_FLOP) * pixels


def estimated(config: TrainConfig, images: int, device: Device = "cuda", factor: float = 1.0) -> Estimate:
    """The estimate of a run with its rough parts multiplied by what runs on the machine have taught."""
    return corrected(estimate(config, images, device), factor)


def corrected(need: Estimate, factor: float) -> Estimate:
    """The same with its rough parts multiplied: what runs on the machine have taught."""
    parts = tuple(replace(one, bytes=round(one.bytes * factor)) if one.rough else one for one in need.memory)
    more = sum(one.bytes for one in parts) - need.memory_total
    return replace(need, memory=parts, memory_after=need.memory_after + more)


def _disk(
    config: TrainConfig, base: BaseModel, adapter: AdapterSize, trained: int, images: int
) -> tuple[MemoryPart, ...]:
    train = config.train
    saves = len(checkpoint_steps(config))
    kept = min(saves, train.keep_checkpoints + 1)  # an old one is lightened after the new one is whole
    pictures = len(sample_steps(config)) * len(sample_pictures(config))
    latents = 2 * 4 * 4 * (train.resolution // base.factor) ** 2  # mean and std, 4 channels, fp32
    saved = trained * (4 + state_bytes(config)) + adapter.fixed * 4
    loras = lora_files(config)[::-1]
    whom = " and for ".join(one.whom for one in loras) if len(loras) > 1 else ", ".join(loras[0].readers)
    sizes, also = lora_sizes(config), len(lora_sizes(config)) - len(loras)
    whom += f", and {plural(also, 'more file')}" if also else ""  # a bundle, parts of a B-LoRA
    numbers = sum(share * (adapter.diffusers if path == DIFFUSERS else adapter.file) for path, share in sizes.items())
    earlier = saves - kept
    png = f"{pictures} PNG" if config.sample.drawn else NO_SAMPLES
    light = MemoryPart(
        "earlier checkpoints", earlier * (trained + adapter.fixed) * 4, f"{earlier} with LoRA and embeddings alone"
    )
    return (
        MemoryPart("checkpoints", round(kept * saved), f"{kept} at a time, with the optimizer's state"),
        *([light] if earlier else []),
        MemoryPart("files to use", round(numbers * WIDTH[config.export.precision]), f"for {whom}"),
        MemoryPart("samples", round(pictures * sample_side(config) ** 2 * PNG_BYTES), png),
        MemoryPart("cached latents", images * latents, plural(images, "picture")),
    )
