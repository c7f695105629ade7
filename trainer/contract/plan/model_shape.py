"""The sizes of a base model and of the LoRA of a configuration, counted from headers or known of SDXL."""

from __future__ import annotations

import re
from dataclasses import dataclass

from trainer.contract.basemodel.folder import WEIGHTED
from trainer.contract.basemodel.headers import Shapes
from trainer.contract.basemodel.inspect import BaseModel
from trainer.contract.basemodel.tensors import wanted_tensors
from trainer.contract.basemodel.unet_names import SDXL_UNET, within
from trainer.contract.documents.files import shipped_json
from trainer.contract.plan.adapter_size import AdapterSize, adapter_size, is_plain
from trainer.contract.plan.vae_memory import SDXL_VAE_SHAPE, VaeShape, vae_shape
from trainer.contract.settings.config import TrainConfig
from trainer.contract.settings.training import Train

# Parameters of SDXL, counted from its configurations (trainer.md, numbers for the estimate).
SDXL_PARAMETERS = {
    "unet": 2_567_463_684,
    "text_encoder": 123_060_480,
    "text_encoder_2": 694_659_840,
    "vae": 83_653_863,
}
# LoRA parameters per rank: attention 46.5 M and every Linear 85.1 M at rank 32, both text encoders 12.9 M at 32.
SDXL_PER_RANK = {"attention": 5_806_080 / 4, "all-linear": 85.1e6 / 32}
SDXL_TEXT_PER_RANK = 12.9e6 / 32
SDXL_TOKEN_WIDTH = 768 + 1280  # numbers per new token, in the two encoders
# of one transformer of ten layers, which B-LoRA's two are: 28.2 M at rank 64 on the attention
SDXL_BLOCK_PER_RANK = {"attention": 220_160, "all-linear": 404_480}
SDXL_LINEAR = (2_207_744_000, 1_436_160)  # weights of the unet's Linears in transformers, and their rows
SDXL_WORDS = 2 * (10 * 640 + 60 * 1280)  # a key and a value in each of its 70 blocks
SDXL_BLOCK_WORDS = 2 * 10 * 1280  # of one transformer of ten layers
NF4_BLOCK = 64  # numbers that share a scale, bitsandbytes' own size; the scale is in fp32
_LINEAR = re.compile(r"^(?P<block>.+?)\.(?:transformer_blocks\..*|proj_in|proj_out)\.weight$")
_WORDS = re.compile(r"\.attn2\.to_[kv]\.weight$")
_TEXT = re.compile(r"\.self_attn\.(?:q|k|v|out)_proj\.weight$")


@dataclass(frozen=True)
class ModelShape:
    """The sizes of a base model that the estimate needs."""

    parameters: dict[str, int]
    adapter: AdapterSize  # of this configuration, in the unet
    text_lora: int  # of that on both text encoders, where it is trained
    token_width: int
    vae: VaeShape
    exact: bool
    linear: int = SDXL_LINEAR[0]  # weights of the unet that can be quantized
    rows: int = SDXL_LINEAR[1]  # of these
    words: int = SDXL_WORDS  # numbers that keys and values of the unet make of a token of a caption

    @property
    def lora(self) -> int:
        """Numbers that are trained in the unet."""
        return self.adapter.trained


def model_shape(config: TrainConfig, base: BaseModel) -> ModelShape:
    """Sizes from the headers of a local model, or SDXL's own for one on the hub; a VAE that is not there is SDXL's."""
    headers = base.shapes()
    train, text = config.train, config.text_encoder_lora.enabled
    if not headers or not all(headers[part] for part in WEIGHTED if part != "vae"):
        words = round(train.rank * SDXL_TEXT_PER_RANK) if text else 0
        read = SDXL_BLOCK_WORDS * len(train.blocks) if train.blocks else SDXL_WORDS
        adapter = _sdxl_adapter(config)
        return ModelShape(SDXL_PARAMETERS, adapter, words, SDXL_TOKEN_WIDTH, SDXL_VAE_SHAPE, False, words=read)
    parameters = {part: sum(map(_count, shapes.values())) or SDXL_PARAMETERS[part] for part, shapes in headers.items()}
    adapter = adapter_size(config, headers["unet"])
    encoders = [headers[part] for part in ("text_encoder", "text_encoder_2")]
    words = sum(train.rank * sum(shape) for one in encoders for name, shape in one.items() if _TEXT.search(name))
    width = sum(map(_token_width, encoders))
    linear = [shape for name, shape in headers["unet"].items() if is_quantized(name, shape)]
    return ModelShape(
        parameters,
        adapter,
        words if text else 0,
        width,
        vae_shape(headers["vae"]),
        True,
        linear=sum(map(_count, linear)),
        rows=sum(shape[0] for shape in linear),
        words=sum(
            shape[0] for name, shape in headers["unet"].items() if _WORDS.search(name) and _is_meant(name, train)
        ),
    )


def _is_meant(name: str, train: Train) -> bool:
    return not train.blocks or any(within(name, block) for block in train.blocks)


def is_quantized(name: str, shape: tuple[int, ...]) -> bool:
    """Whether model.quantize means this tensor of the unet: a Linear's of a transformer, in whole blocks of NF4."""
    return len(shape) == 2 and bool(_LINEAR.match(name)) and _count(shape) % NF4_BLOCK == 0


def _sdxl_adapter(config: TrainConfig) -> AdapterSize:
    if not is_plain(config):
        unet = wanted_tensors("unet", shipped_json(SDXL_UNET) or {})
        assert unet is not None
        return adapter_size(config, unet)
    return AdapterSize(*[round(_sdxl_lora(config))] * 3)


def _sdxl_lora(config: TrainConfig) -> float:
    train = config.train
    if train.blocks:
        return train.rank * SDXL_BLOCK_PER_RANK[train.targets] * len(train.blocks)
    return train.rank * SDXL_PER_RANK[train.targets]


def _token_width(shapes: Shapes) -> int:
    return next((shape[1] for name, shape in shapes.items() if name.endswith("token_embedding.weight")), 0)


def _count(shape: tuple[int, ...]) -> int:
    size = 1
    for side in shape:
        size *= side
    return size
