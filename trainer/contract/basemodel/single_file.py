"""What a single file is that is given as a base model, told by its header: an SDXL checkpoint, or why it is none."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from trainer.contract.basemodel.families import file_kind
from trainer.contract.basemodel.fit import beside, misfit
from trainer.contract.basemodel.headers import TRAINABLE, BadHeader, Shapes, TensorHeader, read_header
from trainer.contract.basemodel.layers import lora_paths
from trainer.contract.basemodel.loss import NOWHERE, YAML_V, Loss, few_steps, of_scheduler, says_v
from trainer.contract.basemodel.names import PICKLES
from trainer.contract.basemodel.schedulers import scheduler_trouble
from trainer.contract.basemodel.sgm import PREFIXES, diffusers_shapes, places
from trainer.contract.documents.files import read_json
from trainer.contract.documents.regular import open_regular
from trainer.contract.paths import is_file, os_words
from trainer.contract.units import plural

CONFIGS = Path(__file__).parents[2] / "configs"
YAML_LIMIT = 1 << 20  # bytes of a .yaml beside a checkpoint that are looked at
CLIP = CONFIGS / "clip"  # the vocabulary of both text encoders
# what training programs leave in a checkpoint, and the marks that tell what it predicts
LEFTOVERS: tuple[str, ...] = ("model_ema.", "denoiser.", "loss.", "alphas_", "betas", "sqrt_", "log_one", "posterior_")
LEFTOVERS += ("logvar", "lvlb_", "v_pred", "ztsnr", "edm_", "conditioner.", "scale_factor", "__index_timestep_zero__")

Prediction = Literal["epsilon", "v_prediction", "edm", "edm_v_prediction"]


class BadCheckpoint(ValueError):
    """The file is no SDXL checkpoint; the message goes on after the file's name."""


@dataclass(frozen=True)
class SingleFile:
    """An SDXL checkpoint as its header and its companion folder tell it."""

    path: Path
    parts: dict[str, Shapes]  # in diffusers' names; vae is empty where the file has none
    prediction: Prediction
    zero_snr: bool  # trained to zero terminal SNR
    numbers: frozenset[str]  # F16, BF16 ...
    loss: Loss
    beside: tuple[str, ...]  # tensors that SDXL does not have; they are passed over


def read_checkpoint(path: Path) -> SingleFile:
    """Look at a file without loading a tensor. Raises BadCheckpoint."""
    try:
        info = path.stat()
    except OSError as error:
        raise BadCheckpoint(f"cannot be read: {os_words(error)}") from None
    # what lies beside it is looked at as well
    beside = [companion(path) / part / "config.json" for part in PREFIXES]
    beside += [companion(path) / "scheduler" / "scheduler_config.json", path.with_suffix(".yaml")]
    return _read(path, info.st_size, info.st_mtime_ns, tuple(map(_changed, beside)))


def companion(path: Path) -> Path:
    """The folder beside a checkpoint, with its name, whose configurations and tokenizers count before SDXL's own."""
    return path.with_suffix("")


def config_of(path: Path, part: str) -> dict[str, Any]:
    """The configuration of a part of a checkpoint: that beside it, else SDXL's own. Raises BadCheckpoint."""
    name = "scheduler_config.json" if part == "scheduler" else "config.json"
    beside = companion(path) / part / name
    found = read_json(beside if is_file(beside) else CONFIGS / f"{part}.json", dict)
    if found.value is None:
        raise BadCheckpoint(f"has a configuration beside it that cannot be used: {part}/{name}: {found.reason}")
    return found.value


def tokenizer_of(path: Path, name: str) -> Path:
    """The folder of a checkpoint's tokenizer: that beside it, else CLIP's vocabulary, which ships with loratui."""
    beside = companion(path) / name
    return beside if is_file(beside / "vocab.json") else CLIP


def read_weights(path: Path) -> TensorHeader:
    """The header of a .safetensors file. Raises BadCheckpoint for what is none, with what it is."""
    try:
        with os.fdopen(open_regular(path), "rb") as file:
            start = file.read(16)
    except OSError as error:
        raise BadCheckpoint(f"cannot be read: {os_words(error)}") from None
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


@lru_cache(maxsize=16)
def _read(path: Path, _size: int, _when: int, _beside: tuple[int, ...]) -> SingleFile:
    header = read_weights(path)
    names = header.shapes
    if kind := file_kind(names):
        raise BadCheckpoint(f"is {kind}")
    if header.coarse:
        raise BadCheckpoint(f"holds {header.coarse} numbers, too coarse to train on; take its fp16 or bf16 version")
    parts = diffusers_shapes(names)
    _fits(path, parts)
    extra = [name for name in names if not name.startswith((*PREFIXES.values(), *LEFTOVERS))]
    extra += places(names).strange
    for part in PREFIXES:
        config = config_of(path, part)
        said = misfit(part, config, parts[part])
        if part == "vae" and said:  # another one must be given then, and is asked for
            extra += sorted(parts["vae"])
            parts["vae"] = {}
        elif said:
            raise BadCheckpoint(f"cannot be loaded: its {part} does not fit its configuration: {said}")
        extra += beside(part, config, parts[part])
    loss, zero = _loss(path, header), "ztsnr" in names
    return SingleFile(path, parts, _prediction(header, path), zero, header.kinds & TRAINABLE, loss, tuple(extra))


def _fits(path: Path, parts: dict[str, Shapes]) -> None:
    """Raises BadCheckpoint where the unet has not the size of its configuration, as distilled relatives have not."""
    config, unet = config_of(path, "unet"), parts["unet"]
    try:
        depth, width, words = _layers(config), config["block_out_channels"][0], config["cross_attention_dim"]
    except (KeyError, TypeError, IndexError, ValueError):
        raise BadCheckpoint("has a unet/config.json beside it that is not for SDXL") from None
    own = len({name for name in unet if name.endswith("attn1.to_q.weight")})
    found = (own, _side(unet, "conv_in.weight", 0), _side(unet, "mid_block.attentions.0.transformer_blocks.0", 1))
    if found != (depth, width, words):
        raise BadCheckpoint(
            f"is not a full SDXL: its unet has {plural(own, 'transformer layer')}, {plural(found[1], 'channel')} "
            f"and reads {plural(found[2], 'number')} "
            f"a word, where {depth}, {width} and {words} are expected; a distilled relative (SSD-1B, Vega) needs its "
            f"own configuration in {companion(path).name}/unet/config.json beside it"
        )


def _side(shapes: Shapes, name: str, axis: int) -> int:
    name = name if name in shapes else f"{name}.attn2.to_k.weight"
    shape = shapes.get(name, ())
    return shape[axis] if len(shape) > axis else 0


def _layers(config: dict[str, Any]) -> int:
    """Transformer layers of a unet: on the way down, in the middle, and one more a level on the way up."""
    return len(lora_paths(config, "attention")) // 8


def _prediction(header: TensorHeader, path: Path) -> Prediction:
    return _told(header, path)[0]


def _told(header: TensorHeader, path: Path) -> tuple[Prediction, str]:
    """What it predicts and where that is said, as ComfyUI and Forge tell it: marks among the tensors, the metadata,
    and the .yaml beside it that AUTOMATIC1111 reads."""
    names = header.shapes
    if {"edm_mean", "edm_std"} <= set(names):
        return "edm", "the marks edm_mean and edm_std in the file"  # Playground 2.5
    if "edm_vpred.sigma_max" in names:
        return "edm_v_prediction", "the mark edm_vpred.sigma_max in the file"  # CosXL
    if "v_pred" in names:
        return "v_prediction", "the mark v_pred in the file"
    for key in ("modelspec.prediction_type", "prediction_type"):
        if said := header.words.get(key, ""):
            return ("v_prediction" if said.lower().startswith("v") else "epsilon"), f"{key} in the file"
    try:
        with path.with_suffix(".yaml").open("rb") as file:
            text = file.read(YAML_LIMIT).decode("utf-8", "replace")
    except OSError:
        return "epsilon", NOWHERE
    return ("v_prediction", f"{path.stem}.yaml beside it") if YAML_V.search(text) else ("epsilon", NOWHERE)


def _loss(path: Path, header: TensorHeader) -> Loss:
    """What decides the loss: a scheduler beside the file counts before all that is in it. Raises BadCheckpoint."""
    unet, name = config_of(path, "unet"), path.stem
    config = config_of(path, "scheduler")
    if is_file(companion(path) / "scheduler" / "scheduler_config.json"):
        trouble = scheduler_trouble(str(config.get("_class_name")), str(config.get("prediction_type", "epsilon")))
        if trouble:
            raise BadCheckpoint(f"{trouble} (scheduler/scheduler_config.json beside it)")
        return of_scheduler(config, f"{companion(path).name}/scheduler/scheduler_config.json", name, unet)
    prediction, source = _told(header, path)
    edm, kind = prediction.startswith("edm"), "v_prediction" if "v_pred" in prediction else "epsilon"
    zero = "ztsnr" in header.shapes and prediction == "v_prediction"
    title = f"{name} {header.words.get('modelspec.title', '')}"
    return Loss(kind, zero, edm, source, few_steps({}, title, unet), source == NOWHERE and says_v(title))


def _changed(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0
