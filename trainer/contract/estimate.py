"""How much memory and disk a run will take, by part; every constant with its source."""

from __future__ import annotations

import re
from dataclasses import dataclass

from trainer.contract.arithmetic import checkpoint_steps, sample_steps
from trainer.contract.basemodel import WEIGHTED, BaseModel, inspect_base
from trainer.contract.config import TrainConfig

# Parameters of SDXL, counted from its configurations (trainer.md, numbers for the estimate).
SDXL_PARAMETERS = {
    "unet": 2_567_463_684,
    "text_encoder": 123_060_480,
    "text_encoder_2": 694_659_840,
    "vae": 83_653_863,
}
# LoRA parameters per rank: attention 46.5 M and every Linear 85.1 M at rank 32, both blocks of B-LoRA 28.2 M at 64.
SDXL_PER_RANK = {"attention": 5_806_080 / 4, "all-linear": 85.1e6 / 32}
SDXL_TOKEN_WIDTH = 768 + 1280  # numbers per new token, in the two encoders
SDXL_BLOCKS = {"up_blocks.0.attentions.0": 14.1e6 / 64, "up_blocks.0.attentions.1": 14.1e6 / 64}
# Bytes per number
WIDTH = {"bf16": 2, "fp16": 2, "fp32": 4}
# Bytes that the optimizer holds for a trainable fp32 number, beside the number and its gradient (8): in total
# AdamW 16, 8-bit AdamW about 10, Prodigy 24, of which two parts shrink with slice_p (trainer.md)
ADAMW_STATE, PRODIGY_STATE, PRODIGY_SLICED = {"adamw": 8, "adamw-8bit": 2}, 8, 8
# Activations of the unet for one picture at 1024 px, in bytes at half precision. With checkpointing people report
# 7 to 8 GB in all for batch 1 (trainer.md), of which 5.1 are the unet: about 1.5. Without it 12 to 13 GiB in all
# (SimpleTuner on an H100, performance.md): about 7. Rough: the plan says "about".
ACTIVATIONS = {True: 1.5e9, False: 7.0e9}
ACTIVATIONS_PIXELS = 1024 * 1024
PNG_BYTES = 1.6  # a pixel of a photograph: PNG saves about half of its three bytes
_LORA = re.compile(r"^(?P<block>.+?)\.transformer_blocks\.\d+\.attn[12]\.to_(?:q|k|v|out\.0)\.weight$")
_LINEAR = re.compile(r"^(?P<block>.+?)\.(?:transformer_blocks\..*|proj_in|proj_out)\.weight$")


@dataclass(frozen=True)
class Part:
    """One part of the need, in bytes."""

    name: str
    bytes: int
    note: str = ""


@dataclass(frozen=True)
class Estimate:
    """What a run will take: memory before and after the pivot, and disk, each by part."""

    memory: tuple[Part, ...]  # at its fullest, before the pivot
    memory_after: int  # bytes once the text encoders are released; the same where nothing is
    disk: tuple[Part, ...]
    lora_parameters: int
    exact: bool  # counted from the model's own headers, not from SDXL's known size

    @property
    def memory_total(self) -> int:
        """Bytes of memory at the fullest."""
        return sum(one.bytes for one in self.memory)

    @property
    def disk_total(self) -> int:
        """Bytes on disk at the fullest."""
        return sum(one.bytes for one in self.disk)


@dataclass(frozen=True)
class Shape:
    """The sizes of a base model that the estimate needs."""

    parameters: dict[str, int]
    lora: int  # parameters of the LoRA of this configuration
    token_width: int
    exact: bool


def estimate(config: TrainConfig, images: int) -> Estimate:
    """The need of `config` on `images` pictures. Raises NotSDXL for what is no SDXL model."""
    base = inspect_base(config.model.base)
    shape = model_shape(config, base)
    rows = config.pivotal.tokens * len(config.dataset.trigger.split(",")) if config.pivotal.enabled else 0
    trained = shape.lora + rows * shape.token_width
    state = _state_bytes(config)
    memory = _memory(config, base, shape, trained, state)
    encoders = next(one.bytes for one in memory if one.name == "text encoders")
    total = sum(one.bytes for one in memory)
    return Estimate(
        memory=memory,
        memory_after=total - encoders,
        disk=_disk(config, base, shape.lora, trained, state, images),
        lora_parameters=shape.lora,
        exact=shape.exact,
    )


def model_shape(config: TrainConfig, base: BaseModel) -> Shape:
    """Sizes from the headers of a local model, or SDXL's own for one on the hub; a VAE that is not there is SDXL's."""
    headers = base.shapes()
    if not headers or not all(headers[part] for part in WEIGHTED if part != "vae"):
        return Shape(SDXL_PARAMETERS, round(_sdxl_lora(config)), SDXL_TOKEN_WIDTH, False)
    parameters = {part: sum(map(_size, shapes.values())) or SDXL_PARAMETERS[part] for part, shapes in headers.items()}
    pattern = _LORA if config.train.targets == "attention" else _LINEAR
    blocks = config.train.blocks
    lora = sum(
        config.train.rank * (shape[0] + shape[1])
        for name, shape in headers["unet"].items()
        if len(shape) == 2 and (found := pattern.match(name)) and (not blocks or found["block"] in blocks)
    )
    width = sum(_token_width(headers[part]) for part in ("text_encoder", "text_encoder_2"))
    return Shape(parameters, lora, width, True)


def _memory(config: TrainConfig, base: BaseModel, shape: Shape, trained: int, state: float) -> tuple[Part, ...]:
    width = WIDTH[config.train.precision]
    train = config.train
    encoders = shape.parameters["text_encoder"] + shape.parameters["text_encoder_2"]
    scale = shape.parameters["unet"] / SDXL_PARAMETERS["unet"]
    pixels = train.resolution**2 / ACTIVATIONS_PIXELS * (8 / base.factor) ** 2
    work = ACTIVATIONS[train.gradient_checkpointing] * train.batch * pixels * scale * width / 2
    return (
        Part("unet", shape.parameters["unet"] * width, f"{shape.parameters['unet'] / 1e6:,.1f} M, {train.precision}"),
        Part(
            "text encoders", encoders * width, "released at the pivot" if config.pivotal.enabled else "released early"
        ),
        Part("VAE", shape.parameters["vae"] * width, "for the samples"),
        Part("LoRA and new tokens", trained * 4, f"{trained / 1e6:,.2f} M, always fp32"),
        Part("gradients", trained * 4, "fp32"),
        Part("optimizer", round(trained * state), f"{train.optimizer}, {state:g} bytes a number"),
        Part("activations", round(work), "about; with checkpointing" if train.gradient_checkpointing else "about"),
    )


def _disk(config: TrainConfig, base: BaseModel, lora: int, trained: int, state: float, images: int) -> tuple[Part, ...]:
    train = config.train
    kept = min(len(checkpoint_steps(config)), train.keep_checkpoints + 1)  # an old one goes after the new one is whole
    pictures = len(sample_steps(config)) * max(1, len(config.sample.prompts))
    latents = 2 * 4 * 4 * (train.resolution // base.factor) ** 2  # mean and std, 4 channels, fp32
    return (
        Part("checkpoints", round(kept * trained * (4 + state)), f"{kept} at a time, with the optimizer's state"),
        Part("files to use", 2 * lora * WIDTH[config.export.precision], "for diffusers and for the user interfaces"),
        Part("samples", round(pictures * train.resolution**2 * PNG_BYTES), f"{pictures} PNG"),
        Part("cached latents", images * latents, f"{images} pictures"),
    )


def _state_bytes(config: TrainConfig) -> float:
    """Bytes of optimizer state per trainable number, beside the number and its gradient."""
    if config.train.optimizer != "prodigy":
        return ADAMW_STATE[config.train.optimizer]
    return PRODIGY_STATE + PRODIGY_SLICED / config.prodigy.slice_p


def _sdxl_lora(config: TrainConfig) -> float:
    if config.train.blocks:
        return config.train.rank * sum(SDXL_BLOCKS.get(block, 14.1e6 / 64) for block in config.train.blocks)
    return config.train.rank * SDXL_PER_RANK[config.train.targets]


def _token_width(shapes: dict[str, tuple[int, ...]]) -> int:
    return next((shape[1] for name, shape in shapes.items() if name.endswith("token_embedding.weight")), 0)


def _size(shape: tuple[int, ...]) -> int:
    size = 1
    for side in shape:
        size *= side
    return size
