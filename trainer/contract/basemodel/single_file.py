"""What a single file is that is given as a base model, told by its header: an SDXL checkpoint, or why it is none."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from trainer.contract.basemodel.headers import BadHeader, Shapes, TensorHeader, read_header
from trainer.contract.basemodel.sgm import PREFIXES, diffusers_shapes, places

CONFIGS = Path(__file__).parents[2] / "configs"
CLIP = CONFIGS / "clip"  # the vocabulary of both text encoders
TRAINABLE = frozenset({"F16", "BF16", "F32", "F64"})
PICKLES = (".ckpt", ".pt", ".pth", ".bin")

Prediction = Literal["epsilon", "v_prediction", "edm", "edm_v_prediction"]

_CONV_IN = PREFIXES["unet"] + "input_blocks.0.0.weight"
# the first of these that a file's names hold says what it is; in this order, because later ones are less certain
_OTHERS: tuple[tuple[tuple[str, ...], str], ...] = (
    (
        ("lora_down", "lora_up", "lora_A.", "lora_B.", ".lora.down", "lora_linear_layer", "lokr_", "hada_w"),
        "a LoRA, which is used on top of a base model; give the model that it was trained on",
    ),
    (("control_model.", "controlnet_", "input_hint_block."), "a ControlNet, not a base model"),
    (("emb_params", "string_to_param"), "an embedding, not a base model"),
    (("joint_blocks.",), "Stable Diffusion 3, not SDXL"),
    (("double_blocks.", "transformer.single_transformer_blocks."), "Flux or a relative of it, not SDXL"),
    (("cond_stage_model.model.",), "Stable Diffusion 2, not SDXL"),
    (("cond_stage_model.",), "Stable Diffusion 1.5 or a relative of it, not SDXL"),
)


class BadCheckpoint(ValueError):
    """The file is no SDXL checkpoint; the message goes on after the file's name."""


@dataclass(frozen=True)
class Checkpoint:
    """An SDXL checkpoint as its header and its companion folder tell it."""

    path: Path
    parts: dict[str, Shapes]  # in diffusers' names; vae is empty where the file has none
    prediction: Prediction
    zero_snr: bool  # trained to zero terminal SNR
    numbers: frozenset[str]  # F16, BF16 ...

    @property
    def edm(self) -> bool:
        """Whether it was made for EDM's preconditioning: a scheduler beside it counts before the marks in it."""
        if (companion(self.path) / "scheduler" / "scheduler_config.json").is_file():
            return str(config_of(self.path, "scheduler").get("_class_name")).startswith("EDM")
        return self.prediction.startswith("edm")


def read_checkpoint(path: Path) -> Checkpoint:
    """Look at a file without loading a tensor. Raises BadCheckpoint."""
    try:
        info = path.stat()
    except OSError as error:
        raise BadCheckpoint(f"cannot be read: {error.strerror}") from None
    # the folder beside it is looked at as well
    return _read(path, info.st_size, info.st_mtime_ns, _changed(companion(path) / "unet" / "config.json"))


def companion(path: Path) -> Path:
    """The folder beside a checkpoint, with its name, whose configurations and tokenizers count before SDXL's own."""
    return path.with_suffix("")


def config_of(path: Path, part: str) -> dict[str, Any]:
    """The configuration of a part of a checkpoint: that beside it, else SDXL's own. Raises BadCheckpoint."""
    name = "scheduler_config.json" if part == "scheduler" else "config.json"
    beside = companion(path) / part / name
    try:
        found = json.loads((beside if beside.is_file() else CONFIGS / f"{part}.json").read_bytes())
    except (OSError, ValueError) as error:
        raise BadCheckpoint(f"has a configuration beside it that cannot be read: {part}/{name}: {error}") from None
    if not isinstance(found, dict):
        raise BadCheckpoint(f"has a configuration beside it that is no JSON object: {part}/{name}")
    return found


def tokenizer_of(path: Path, name: str) -> Path:
    """The folder of a checkpoint's tokenizer: that beside it, else CLIP's vocabulary, which ships with loratui."""
    beside = companion(path) / name
    return beside if (beside / "vocab.json").is_file() else CLIP


@lru_cache(maxsize=16)
def _read(path: Path, _size: int, _when: int, _beside: int) -> Checkpoint:
    header = _header(path)
    names = header.shapes
    if reason := _another(names):
        raise BadCheckpoint(f"is {reason}")
    if odd := sorted(header.kinds - TRAINABLE - {"I64", "I32"}):
        raise BadCheckpoint(f"holds {', '.join(odd)} numbers, too coarse to train on; take its fp16 or bf16 version")
    if strange := places(names).strange:
        raise BadCheckpoint(f"has {len(strange)} tensors that SDXL does not have, such as {strange[0]}")
    parts = diffusers_shapes(names)
    _fits(path, parts)
    return Checkpoint(path, parts, _prediction(header), "ztsnr" in names, header.kinds & TRAINABLE)


def _header(path: Path) -> TensorHeader:
    with path.open("rb") as file:
        start = file.read(16)
    if path.suffix.lower() in PICKLES or start.startswith((b"PK", b"\x80")):
        raise BadCheckpoint(
            "is a pickle, which can run any program when it is opened, and is not read; take the .safetensors of the "
            "same model, which most pages have beside it, or convert it on a machine that you can lose"
        )
    if start.startswith(b"GGUF"):
        raise BadCheckpoint("is a GGUF file: rounded for drawing, not for training; take its .safetensors")
    try:
        return read_header(path)
    except BadHeader as error:
        raise BadCheckpoint(f"cannot be used: {error}") from None


def _another(names: Shapes) -> str:
    """What the file is, if it is not an SDXL base model; empty if it is."""
    for marks, what in _OTHERS:
        if any(mark in name for mark in marks for name in names):
            return what
    has = {part: any(name.startswith(prefix) for name in names) for part, prefix in PREFIXES.items()}
    if not has["unet"]:
        if set(names) >= {"clip_l", "clip_g"}:
            return "an embedding, not a base model"
        if any(name.startswith("down_blocks.") for name in names):
            return "a unet by itself in diffusers' names; give the folder that it came from"
        if any(name.startswith(("encoder.", "decoder.", PREFIXES["vae"])) for name in names):
            return "a VAE by itself; it can be model.vae where it lies in a diffusers folder"
        return "no model that loratui knows: it has no unet in the layout of a single SDXL checkpoint"
    if any(name.startswith("conditioner.embedders.0.model.") for name in names):
        return "the SDXL refiner; loratui trains the base model"
    if missing := [part for part in ("text_encoder", "text_encoder_2") if not has[part]]:
        said = "both text encoders" if len(missing) == 2 else "one of the text encoders"
        return f"a checkpoint without {said}; take the full version of the model"
    channels = names.get(_CONV_IN, (0, 4))[1:2]
    if channels != (4,):
        takes = channels[0] if channels else 0
        kind = {9: "an inpainting model", 8: "an edit model"}.get(takes, "another kind of model")
        return f"{kind} (its unet takes {takes} channels, not 4); loratui trains the base model"
    return ""


def _fits(path: Path, parts: dict[str, Shapes]) -> None:
    """Raises BadCheckpoint where the unet has not the size of its configuration, as distilled relatives have not."""
    config, unet = config_of(path, "unet"), parts["unet"]
    try:
        depth, width, words = _layers(config), config["block_out_channels"][0], config["cross_attention_dim"]
    except (KeyError, TypeError, IndexError, ValueError):
        raise BadCheckpoint("has a unet/config.json beside it that is none of SDXL's kind") from None
    own = len({name for name in unet if name.endswith("attn1.to_q.weight")})
    found = (own, _side(unet, "conv_in.weight", 0), _side(unet, "mid_block.attentions.0.transformer_blocks.0", 1))
    if found != (depth, width, words):
        raise BadCheckpoint(
            f"is no full SDXL: its unet has {own} transformer layers, {found[1]} channels and reads {found[2]} numbers "
            f"a word, where {depth}, {width} and {words} are expected; a distilled relative (SSD-1B, Vega) needs its "
            f"own configuration in {companion(path).name}/unet/config.json beside it"
        )


def _side(shapes: Shapes, name: str, axis: int) -> int:
    name = name if name in shapes else f"{name}.attn2.to_k.weight"
    shape = shapes.get(name, ())
    return shape[axis] if len(shape) > axis else 0


def _layers(config: dict[str, Any]) -> int:
    """Transformer layers of a unet: on the way down, in the middle, and one more a level on the way up."""
    layers, down, up = config["layers_per_block"], config["down_block_types"], config["up_block_types"]
    depths = config["transformer_layers_per_block"]
    depths = [depths] * len(down) if isinstance(depths, int) else depths
    falling = sum(depth * layers for depth, kind in zip(depths, down, strict=True) if "Cross" in kind)
    rising = sum(depth * (layers + 1) for depth, kind in zip(depths[::-1], up, strict=True) if "Cross" in kind)
    return int(falling + depths[-1] + rising)


def _prediction(header: TensorHeader) -> Prediction:
    """As ComfyUI and Forge tell it: by marks among the tensors; where there are none, by the metadata."""
    names = header.shapes
    if {"edm_mean", "edm_std"} <= set(names):
        return "edm"  # Playground 2.5
    if "edm_vpred.sigma_max" in names:
        return "edm_v_prediction"  # CosXL
    said = header.words.get("modelspec.prediction_type", header.words.get("prediction_type", ""))
    return "v_prediction" if "v_pred" in names or said.lower().startswith("v") else "epsilon"


def _changed(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0
