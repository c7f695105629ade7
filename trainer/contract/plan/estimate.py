"""How much memory, disk and arithmetic a run will take, by part; every constant with its source."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Literal

from trainer.contract.basemodel.folder import WEIGHTED
from trainer.contract.basemodel.headers import Shapes
from trainer.contract.basemodel.inspect import BaseModel, base_of
from trainer.contract.plan.vae_memory import SDXL_VAE_SHAPE, WIDTH, VaeShape, vae_shape, vae_widths
from trainer.contract.run.exports import lora_files, lora_sizes
from trainer.contract.settings.arithmetic import checkpoint_steps, sample_steps
from trainer.contract.settings.config import TrainConfig
from trainer.contract.settings.optimizers import OPTIMIZERS
from trainer.contract.settings.prompts import sample_pictures
from trainer.contract.settings.triggers import split_triggers
from trainer.contract.units import in_bytes

REVISION = 2  # of the constants below: what was learned from runs against others is not used
Device = Literal["cuda", "cpu"]

# Parameters of SDXL, counted from its configurations (trainer.md, numbers for the estimate).
SDXL_PARAMETERS = {
    "unet": 2_567_463_684,
    "text_encoder": 123_060_480,
    "text_encoder_2": 694_659_840,
    "vae": 83_653_863,
}
# LoRA parameters per rank: attention 46.5 M and every Linear 85.1 M at rank 32, both blocks of B-LoRA 28.2 M at 64,
# both text encoders 12.9 M at 32.
SDXL_PER_RANK = {"attention": 5_806_080 / 4, "all-linear": 85.1e6 / 32}
SDXL_TEXT_PER_RANK = 12.9e6 / 32
SDXL_TOKEN_WIDTH = 768 + 1280  # numbers per new token, in the two encoders
SDXL_BLOCKS = {"up_blocks.0.attentions.0": 14.1e6 / 64, "up_blocks.0.attentions.1": 14.1e6 / 64}
# Of Prodigy's state of 16 bytes a number two parts shrink with slice_p (trainer.md). With slice_p the place of each
# number that it looks at is kept as well, in 8 bytes; no checkpoint holds that.
PRODIGY_SLICED, PRODIGY_INDEX = 8, 8
SCRATCH_SLICED = 8  # bytes a number in a step, where OPTIMIZERS has Prodigy's without slice_p
# What is alive at the fullest moment of a forward and backward pass beyond weights and gradients, in bytes for one
# picture of 1024 px in half precision: counted on the full-size unet with a LoRA of rank 32 on the attention by
# tests/bench/activations.py, by gradient checkpointing. It grows as the batch (4: 3.96 times) and as the pixels
# (512 px: 0.26). What cuDNN asks for and the allocator cannot use again comes on top and is learned from runs: of
# 13.0 GiB in all that SimpleTuner reports for an H100 without checkpointing (performance.md), this explains 12.
ACTIVATIONS = {True: 0.55e9, False: 5.76e9}
ACTIVATIONS_PIXELS = 1024 * 1024
ALL_LINEAR, DORA = {True: 1.16, False: 1.21}, {True: 1.02, False: 1.22}  # the same count, with these, as a multiple
WORDS = {True: 0.0114e9, False: 0.083e9}  # of both text encoders, one prompt, as long as something of them trains
# A denoising step for a picture of 1024 px, in half precision: two passes, counted as above.
DENOISED = 0.33e9
# torch and its libraries themselves: on a GPU the context and the kernels, 0.4 to 1 GB; on the CPU what a run of the
# small SDXL held at its fullest beside its own parts (torch 2.13, diffusers 0.39, measured on Linux).
TORCH: dict[Device, float] = {"cuda": 0.7e9, "cpu": 0.57e9}
# Arithmetic of one picture of 1024 px, in FLOP: LoRA forward and backward, with checkpointing (performance.md).
PICTURE_FLOP = {True: 19.50e12, False: 14.31e12}
PNG_BYTES = 1.6  # a pixel of a photograph: PNG saves about half of its three bytes
_LORA = re.compile(r"^(?P<block>.+?)\.transformer_blocks\.\d+\.attn[12]\.to_(?:q|k|v|out\.0)\.weight$")
_LINEAR = re.compile(r"^(?P<block>.+?)\.(?:transformer_blocks\..*|proj_in|proj_out)\.weight$")
_TEXT = re.compile(r"\.self_attn\.(?:q|k|v|out)_proj\.weight$")


@dataclass(frozen=True)
class MemoryPart:
    """One part of the need, in bytes. `rough`: not counted from the model, so corrected by what runs measured."""

    name: str
    bytes: int
    note: str = ""
    rough: bool = False


@dataclass(frozen=True)
class Estimate:
    """What a run will take: memory before and after the pivot, and disk, each by part."""

    memory: tuple[MemoryPart, ...]  # at its fullest, before the pivot
    memory_after: int  # bytes once the text encoders are released; the same where nothing is
    disk: tuple[MemoryPart, ...]
    lora_parameters: int
    exact: bool  # counted from the model's own headers, not from SDXL's known size
    unet_parameters: int  # what two models of one size share
    step_flop: float  # arithmetic of one optimizer step

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


@dataclass(frozen=True)
class ModelShape:
    """The sizes of a base model that the estimate needs."""

    parameters: dict[str, int]
    lora: int  # parameters of the LoRA of this configuration
    text_lora: int  # of that on both text encoders, where it is trained
    token_width: int
    vae: VaeShape
    exact: bool


def estimate(config: TrainConfig, images: int, device: Device = "cuda") -> Estimate:
    """The need of `config` on `images` pictures, trained on `device`. Raises NotSDXL for what is no SDXL model."""
    base = base_of(config.model)
    shape = model_shape(config, base)
    rows = config.pivotal.tokens * len(split_triggers(config.dataset.trigger)) if config.pivotal.enabled else 0
    trained = shape.lora + shape.text_lora + rows * shape.token_width
    passing, encoding = _passing(config, base, shape, trained)
    memory = (*_held(config, base, shape, trained, device), *passing)
    freed = sum(one.bytes for one in memory if one.name in ("text encoders", "loading"))
    freed += encoding if _trains_words(config) else 0
    pictures = config.train.batch * config.train.accumulation * (2 if config.prior.enabled else 1)
    return Estimate(
        memory=memory,
        memory_after=sum(one.bytes for one in memory) - freed,
        disk=_disk(config, base, shape.lora, trained, images),
        lora_parameters=shape.lora,
        exact=shape.exact,
        unet_parameters=shape.parameters["unet"],
        step_flop=PICTURE_FLOP[config.train.gradient_checkpointing] * pictures * _size(config, base, shape),
    )


def corrected(need: Estimate, factor: float) -> Estimate:
    """The same with its rough parts multiplied: what runs on the machine have taught."""
    parts = tuple(replace(one, bytes=round(one.bytes * factor)) if one.rough else one for one in need.memory)
    more = sum(one.bytes for one in parts) - need.memory_total
    return replace(need, memory=parts, memory_after=need.memory_after + more)


def model_shape(config: TrainConfig, base: BaseModel) -> ModelShape:
    """Sizes from the headers of a local model, or SDXL's own for one on the hub; a VAE that is not there is SDXL's."""
    headers = base.shapes()
    train, text = config.train, config.text_encoder_lora.enabled
    if not headers or not all(headers[part] for part in WEIGHTED if part != "vae"):
        words = round(train.rank * SDXL_TEXT_PER_RANK) if text else 0
        return ModelShape(SDXL_PARAMETERS, round(_sdxl_lora(config)), words, SDXL_TOKEN_WIDTH, SDXL_VAE_SHAPE, False)
    parameters = {part: sum(map(_count, shapes.values())) or SDXL_PARAMETERS[part] for part, shapes in headers.items()}
    pattern, blocks = _LORA if train.targets == "attention" else _LINEAR, train.blocks
    lora = sum(
        train.rank * (shape[0] + shape[1])
        for name, shape in headers["unet"].items()
        if len(shape) == 2 and (found := pattern.match(name)) and (not blocks or found["block"] in blocks)
    )
    encoders = [headers[part] for part in ("text_encoder", "text_encoder_2")]
    words = sum(train.rank * sum(shape) for one in encoders for name, shape in one.items() if _TEXT.search(name))
    width = sum(map(_token_width, encoders))
    return ModelShape(parameters, lora, words if text else 0, width, vae_shape(headers["vae"]), True)


def _held(
    config: TrainConfig, base: BaseModel, shape: ModelShape, trained: int, device: Device
) -> tuple[MemoryPart, ...]:
    """What stays from the first step on."""
    train, width = config.train, WIDTH[config.train.precision]
    encoders = _encoders(config, shape)
    vae = vae_widths(config, base)
    index = PRODIGY_INDEX / config.prodigy.slice_p if train.optimizer == "prodigy" and config.prodigy.slice_p > 1 else 0
    state = state_bytes(config) + index
    return (
        MemoryPart("torch itself", round(TORCH[device]), "and its libraries", rough=device == "cpu"),
        MemoryPart(
            "unet", shape.parameters["unet"] * width, f"{shape.parameters['unet'] / 1e6:,.1f} M, {train.precision}"
        ),
        MemoryPart("text encoders", encoders, "released at the pivot")
        if _trains_words(config)
        else MemoryPart("text encoders", 0, "released before the first step"),
        MemoryPart(
            "VAE", shape.vae.held(vae), f"encodes in {_said(vae[0], config)}, decodes in {_said(vae[1], config)}"
        ),
        MemoryPart("LoRA and new tokens", trained * 4, f"{trained / 1e6:,.2f} M, always fp32"),
        MemoryPart("gradients", trained * 4, "fp32"),
        MemoryPart(
            "optimizer",
            round(trained * state),
            f"{train.optimizer}{' and the average' if train.ema else ''}, {state:.3g} bytes a number",
        ),
    )


def _passing(config: TrainConfig, base: BaseModel, shape: ModelShape, trained: int) -> tuple[list[MemoryPart], int]:
    """What comes and goes: the passes, the optimizer's step and the pictures, of which only one is there at a time.

    Beside it the bytes of this that only the encoding needs, before the first step.
    """
    train, on = config.train, config.train.gradient_checkpointing
    pictures, width = train.batch * (2 if config.prior.enabled else 1), WIDTH[train.precision] / 2
    more = (ALL_LINEAR[on] if train.targets == "all-linear" else 1) * (DORA[on] if train.dora else 1)
    size = _size(config, base, shape)
    work = ACTIVATIONS[on] * more * size
    if _trains_words(config):
        work += WORDS[on] * shape.parameters["text_encoder_2"] / SDXL_PARAMETERS["text_encoder_2"]
    work *= pictures * width
    widths = vae_widths(config, base)
    encoded = shape.vae.encoding(train.resolution, widths[0])
    decoded = shape.vae.decoding(train.resolution, widths[1])
    made = config.prior.batch if config.prior.enabled and not config.prior.path else 1
    samples = max(decoded, DENOISED * made * size * width)
    prodigy, sliced = train.optimizer == "prodigy", config.prodigy.slice_p > 1
    scratch = trained * (SCRATCH_SLICED if prodigy and sliced else OPTIMIZERS[train.optimizer].scratch)
    parts = [MemoryPart("activations", round(work), "about; with checkpointing" if on else "about", rough=True)]
    if scratch > work:
        note = f"{in_bytes(scratch)} in a step, in the place of the activations"
        parts.append(MemoryPart("optimizer's step", round(scratch - work), note, rough=True))
    full = max(work, scratch)
    if encoded > full:
        note = f"{in_bytes(encoded)} while a picture is encoded, before the first step"
        parts.append(MemoryPart("encoding", round(encoded - full), note, rough=True))
    beyond = max(0, samples - max(full, encoded))
    note = f"{in_bytes(samples)} while one is made, in the place of the activations"
    parts.append(MemoryPart("samples", round(beyond), note, rough=True))
    loading = 0 if _trains_words(config) else _encoders(config, shape) - max(full, encoded, samples)
    if loading > 0:
        parts.append(MemoryPart("loading", round(loading), "the text encoders, until all captions are encoded"))
    return parts, round(max(0, encoded - max(full, samples)))


def _disk(config: TrainConfig, base: BaseModel, lora: int, trained: int, images: int) -> tuple[MemoryPart, ...]:
    train = config.train
    saves = len(checkpoint_steps(config))
    kept = min(saves, train.keep_checkpoints + 1)  # an old one is lightened after the new one is whole
    pictures = len(sample_steps(config)) * len(sample_pictures(config))
    latents = 2 * 4 * 4 * (train.resolution // base.factor) ** 2  # mean and std, 4 channels, fp32
    saved = trained * (4 + state_bytes(config))
    loras = lora_files(config)[::-1]
    whom = " and for ".join(one.whom for one in loras) if len(loras) > 1 else ", ".join(loras[0].readers)
    sizes, also = lora_sizes(config), len(lora_sizes(config)) - len(loras)
    whom += f", and {also} file{'s' * (also > 1)} more" if also else ""  # a bundle, parts of a B-LoRA
    earlier = saves - kept
    light = MemoryPart("earlier checkpoints", earlier * trained * 4, f"{earlier} with LoRA and embeddings alone")
    return (
        MemoryPart("checkpoints", round(kept * saved), f"{kept} at a time, with the optimizer's state"),
        *([light] if earlier else []),
        MemoryPart("files to use", round(sum(sizes.values()) * lora * WIDTH[config.export.precision]), f"for {whom}"),
        MemoryPart("samples", round(pictures * train.resolution**2 * PNG_BYTES), f"{pictures} PNG"),
        MemoryPart("cached latents", images * latents, f"{images} pictures"),
    )


def _trains_words(config: TrainConfig) -> bool:
    """Whether the text encoders are needed in the steps before the pivot."""
    return config.pivotal.enabled or config.text_encoder_lora.enabled


def _said(width: int, config: TrainConfig) -> str:
    return config.train.precision if width == WIDTH[config.train.precision] else "fp32"


def _encoders(config: TrainConfig, shape: ModelShape) -> int:
    return (shape.parameters["text_encoder"] + shape.parameters["text_encoder_2"]) * WIDTH[config.train.precision]


def state_bytes(config: TrainConfig) -> float:
    """Bytes of optimizer state, and of the average, per trainable number, beside the number and its gradient."""
    state = OPTIMIZERS[config.train.optimizer].state + (4 if config.train.ema else 0)
    if config.train.optimizer != "prodigy":
        return state
    return state - PRODIGY_SLICED + PRODIGY_SLICED / config.prodigy.slice_p


def _size(config: TrainConfig, base: BaseModel, shape: ModelShape) -> float:
    """A picture's way through the unet, against one of 1024 px through SDXL's: latents times parameters."""
    pixels = config.train.resolution**2 / ACTIVATIONS_PIXELS * (8 / base.factor) ** 2
    return pixels * shape.parameters["unet"] / SDXL_PARAMETERS["unet"]


def _sdxl_lora(config: TrainConfig) -> float:
    if config.train.blocks:
        return config.train.rank * sum(SDXL_BLOCKS.get(block, 14.1e6 / 64) for block in config.train.blocks)
    return config.train.rank * SDXL_PER_RANK[config.train.targets]


def _token_width(shapes: Shapes) -> int:
    return next((shape[1] for name, shape in shapes.items() if name.endswith("token_embedding.weight")), 0)


def _count(shape: tuple[int, ...]) -> int:
    size = 1
    for side in shape:
        size *= side
    return size
