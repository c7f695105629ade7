"""The small SDXL as people have it on their disks: in part, in other variants, and as what it is not."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from trainer.contract.basemodel.inspect import small_model

UNET = "diffusion_pytorch_model.safetensors"
POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:" + "ab" * 32 + "\nsize 5135149760\n"


def linked(folder: Path) -> Path:
    """The small SDXL, its files shared with the one that ships: they are replaced, never written into."""
    shutil.copytree(small_model(), folder, copy_function=os.link)
    return folder


def rewrite(path: Path, **values: Any) -> None:
    """A JSON file with some values changed."""
    words = json.loads(path.read_text()) | values
    path.unlink()
    path.write_text(json.dumps(words))


def renamed(folder: Path, part: str, variant: str) -> None:
    """The weights of a part as a variant has them."""
    (file,) = (folder / part).glob("*.safetensors")
    file.rename(file.with_name(f"{file.stem}.{variant}.safetensors"))


def sharded(folder: Path, index: bool = True, second: bool = True) -> None:
    """The unet in two shards."""
    file = folder / "unet" / UNET
    tensors = load_file(file)
    file.unlink()
    names, places = sorted(tensors), {}
    for number, own in enumerate((names[: len(names) // 2], names[len(names) // 2 :]), 1):
        shard = f"diffusion_pytorch_model-0000{number}-of-00002.safetensors"
        places |= dict.fromkeys(own, shard)
        if number == 1 or second:
            save_file({name: tensors[name] for name in own}, file.with_name(shard), {"format": "pt"})
    if index:
        words = {"metadata": {"total_size": 1}, "weight_map": places}
        file.with_name(f"{UNET}.index.json").write_text(json.dumps(words))


def wide(folder: Path, channels: int, config: bool = True) -> None:
    """A unet that takes more channels."""
    file = folder / "unet" / UNET
    tensors = load_file(file)
    first = tensors["conv_in.weight"]
    tensors["conv_in.weight"] = torch.cat([first, first.new_zeros(first.shape[0], channels - 4, 3, 3)], 1)
    file.unlink()
    save_file(tensors, file, {"format": "pt"})
    if config:
        rewrite(folder / "unet" / "config.json", in_channels=channels)


def replaced(path: Path, data: str | bytes) -> None:
    """Another file in place of one."""
    path.unlink()
    path.write_bytes(data.encode() if isinstance(data, str) else data)


def dangling(path: Path) -> None:
    """A link of the hub's cache without its blob."""
    path.unlink()
    path.symlink_to("../../../blobs/" + "ab" * 32)


def family(name: str) -> Callable[[Path], None]:
    """The folder under another pipeline's name."""
    return lambda folder: rewrite(folder / "model_index.json", _class_name=name)


def refiner(folder: Path) -> None:
    """The refiner's folder: one text encoder."""
    nothing = [None, None]
    rewrite(folder / "model_index.json", text_encoder=nothing, tokenizer=nothing, requires_aesthetics_score=True)
    for part in ("text_encoder", "tokenizer"):
        shutil.rmtree(folder / part)


def coarse(folder: Path) -> None:
    """The unet in eight bits."""
    file = folder / "unet" / UNET
    tensors = {name: one.to(torch.float8_e4m3fn) for name, one in load_file(file).items()}
    file.unlink()
    save_file(tensors, file, {"format": "pt"})


_UNET, _CONFIG, _SCHEDULER = f"unet/{UNET}", "unet/config.json", "scheduler/scheduler_config.json"
# what is done to the folder, and what is said of it then
BROKEN: dict[str, tuple[Callable[[Path], Any], str]] = {
    "layers without end": (
        lambda folder: rewrite(folder / "text_encoder" / "config.json", num_hidden_layers=10**12),
        r"text_encoder does not fit its configuration",
    ),
    "inpainting": (family("StableDiffusionXLInpaintPipeline"), "an SDXL inpainting model"),
    "edits": (family("StableDiffusionXLInstructPix2PixPipeline"), r"InstructPix2Pix"),
    "sd15": (family("StableDiffusionPipeline"), r"Stable Diffusion 1\.5 or 2 \(StableDiffusionPipeline\)"),
    "sd3": (family("StableDiffusion3Pipeline"), "Stable Diffusion 3"),
    "flux": (family("FluxKontextPipeline"), r"Flux \(FluxKontextPipeline\)"),
    "unheard": (family("StableDiffusionXLSomethingPipeline"), "a StableDiffusionXLSomethingPipeline"),
    "refiner": (refiner, "the SDXL refiner"),
    "nine channels": (lambda one: wide(one, 9), r"an inpainting model \(its unet takes 9"),
    "eight channels": (lambda one: wide(one, 8), r"an edit model \(InstructPix2Pix\)"),
    "nine in the weights": (lambda one: wide(one, 9, config=False), "an inpainting model"),
    "second shard": (lambda one: sharded(one, second=False), "unet/.*-00002-of-00002.safetensors missing"),
    "index": (lambda one: sharded(one, index=False), r"unet/.*\.index\.json missing"),
    "pickle": (
        lambda one: (one / "text_encoder" / "model.safetensors").rename(one / "text_encoder" / "pytorch_model.bin"),
        r"text_encoder/model\.safetensors missing \(only safetensors",
    ),
    "pointer": (lambda one: replaced(one / _UNET, POINTER), "git lfs pull"),
    "pointer to words": (lambda one: replaced(one / "tokenizer" / "tokenizer.json", POINTER), "git lfs pull"),
    "pointer to a configuration": (lambda one: replaced(one / _CONFIG, POINTER), "git lfs pull"),
    "web page": (lambda one: replaced(one / _UNET, "<!DOCTYPE html><html>Sign in</html>"), "a web page"),
    "empty": (lambda one: replaced(one / _UNET, b""), "it is empty"),
    "cut": (lambda one: replaced(one / _UNET, (one / _UNET).read_bytes()[:-9]), "cut short"),
    "dangling": (lambda one: dangling(one / _UNET), r"a link that leads nowhere.*cp -rL"),
    "coarse": (coarse, "F8_E4M3 numbers, too coarse"),
    "other words": (lambda one: rewrite(one / _CONFIG, cross_attention_dim=2048), "does not fit its configuration"),
    "other encoder": (
        lambda one: rewrite(one / "unet" / "config.json", projection_class_embeddings_input_dim=2816),
        "add_embedding",
    ),
    "other depth": (lambda one: rewrite(one / _CONFIG, transformer_layers_per_block=[1, 2, 10]), "tensors missing"),
    "no scheduler of ours": (
        lambda one: rewrite(one / "model_index.json", scheduler=["diffusers", "MadeUpScheduler"]),
        "does not have: MadeUpScheduler",
    ),
    "flow": (
        lambda one: rewrite(one / "model_index.json", scheduler=["diffusers", "FlowMatchEulerDiscreteScheduler"]),
        "flow matching",
    ),
    "sample": (lambda one: rewrite(one / _SCHEDULER, prediction_type="sample"), "predicts 'sample'"),
    "no vocabulary": (
        lambda one: [path.unlink() for path in (one / "tokenizer_2").glob("*.json")],
        r"tokenizer_2/vocab\.json missing",
    ),
}


def old_names(folder: Path) -> None:
    """The first encoder with the outer name that transformers had before its fifth version."""
    file = folder / "text_encoder" / "model.safetensors"
    tensors = {f"text_model.{name.removeprefix('text_model.')}": one for name, one in load_file(file).items()}
    file.unlink()
    save_file(tensors, file, {"format": "pt"})


WHOLE: dict[str, Callable[[Path], Any]] = {
    "fp16": lambda one: [renamed(one, part, "fp16") for part in ("unet", "text_encoder", "text_encoder_2", "vae")],
    "bf16": lambda one: [renamed(one, part, "bf16") for part in ("unet", "text_encoder", "text_encoder_2", "vae")],
    "mixed": lambda one: renamed(one, "unet", "fp16"),
    "non_ema": lambda one: renamed(one, "unet", "non_ema"),
    "sharded": sharded,
    "old names": old_names,
    "img2img": family("StableDiffusionXLImg2ImgPipeline"),
    "begun and whole": lambda one: dangling_beside(one),
}


def dangling_beside(folder: Path) -> None:
    """A half-precision unet whose blob is gone, beside a whole one."""
    (folder / "unet" / "diffusion_pytorch_model.fp16.safetensors").symlink_to("../../blobs/gone")
