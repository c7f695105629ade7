"""Single SDXL checkpoints for the tests: diffusers' names turned into those of the SGM code, block by block."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from trainer.contract.basemodel.folder import WEIGHTED
from trainer.contract.basemodel.inspect import small_model
from trainer.contract.basemodel.sgm import PREFIXES

# written from the list of modules that SGM's own openaimodel.py, model.py and open_clip build, not from our reader
RESNET = {
    "norm1": "in_layers.0",
    "conv1": "in_layers.2",
    "time_emb_proj": "emb_layers.1",
    "norm2": "out_layers.0",
    "conv2": "out_layers.3",
    "conv_shortcut": "skip_connection",
}
UNET = {
    "time_embedding.linear_1": "time_embed.0",
    "time_embedding.linear_2": "time_embed.2",
    "add_embedding.linear_1": "label_emb.0.0",
    "add_embedding.linear_2": "label_emb.0.2",
    "conv_in": "input_blocks.0.0",
    "conv_norm_out": "out.0",
    "conv_out": "out.2",
}
VAE_ATTENTION = {"group_norm": "norm", "to_q": "q", "to_k": "k", "to_v": "v", "to_out.0": "proj_out"}
CLIP_G = {
    "self_attn.out_proj": "attn.out_proj",
    "layer_norm1": "ln_1",
    "layer_norm2": "ln_2",
    "mlp.fc1": "mlp.c_fc",
    "mlp.fc2": "mlp.c_proj",
    "text_model.embeddings.token_embedding.weight": "token_embedding.weight",
    "text_model.embeddings.position_embedding.weight": "positional_embedding",
    "text_model.final_layer_norm": "ln_final",
    "text_model.encoder.layers.": "transformer.resblocks.",
}


def unet_places(blocks: int, per_block: int) -> dict[str, str]:
    """Beginnings of diffusers' names in the unet -> the SGM code's, in the order in which that code builds them."""
    found = dict(UNET)
    count = 1
    for block in range(blocks):
        for layer in range(per_block):
            found[f"down_blocks.{block}.resnets.{layer}"] = f"input_blocks.{count}.0"
            found[f"down_blocks.{block}.attentions.{layer}"] = f"input_blocks.{count}.1"
            count += 1
        if block < blocks - 1:
            found[f"down_blocks.{block}.downsamplers.0.conv"] = f"input_blocks.{count}.0.op"
            count += 1
    found |= {"mid_block.resnets.0": "middle_block.0", "mid_block.attentions.0": "middle_block.1"}
    found["mid_block.resnets.1"] = "middle_block.2"
    count = 0
    for block in range(blocks):
        for layer in range(per_block + 1):
            found[f"up_blocks.{block}.resnets.{layer}"] = f"output_blocks.{count}.0"
            found[f"up_blocks.{block}.attentions.{layer}"] = f"output_blocks.{count}.1"
            count += 1
        # behind the attention where the level has one: all but the last, which has no doubling either
        found[f"up_blocks.{block}.upsamplers.0.conv"] = f"output_blocks.{count - 1}.2.conv"
    return found


def to_checkpoint(parts: dict[str, dict[str, torch.Tensor]], per_block: int) -> dict[str, torch.Tensor]:
    """The tensors of the four parts, by diffusers' names, as a single checkpoint holds them."""
    found: dict[str, torch.Tensor] = {}
    blocks = 1 + max(int(name.split(".")[1]) for name in parts["unet"] if name.startswith("down_blocks."))
    places = unet_places(blocks, per_block)
    for name, tensor in parts["unet"].items():
        head = max((one for one in places if name.startswith(one + ".")), key=len)
        rest = name.removeprefix(head)
        if "resnets" in head:
            inner, _, kind = rest[1:].rpartition(".")
            rest = f".{RESNET[inner]}.{kind}"
        found[PREFIXES["unet"] + places[head] + rest] = tensor
    for name, tensor in parts["vae"].items():
        own = _vae_name(name, 1 + max(int(one.split(".")[2]) for one in parts["vae"] if "down_blocks" in one))
        square = "mid.attn_1" in own and tensor.dim() == 2
        found[PREFIXES["vae"] + own] = tensor[:, :, None, None].clone() if square else tensor
    for name, tensor in parts["text_encoder"].items():
        found[f"{PREFIXES['text_encoder']}text_model.{name.removeprefix('text_model.')}"] = tensor
    return found | {PREFIXES["text_encoder_2"] + name: one for name, one in _clip_g(parts["text_encoder_2"]).items()}


def _vae_name(name: str, levels: int) -> str:
    words = name.split(".")
    for at, word in enumerate(words):
        if word == "up_blocks":
            words[at : at + 2] = ["up", str(levels - 1 - int(words[at + 1]))]
        elif word == "down_blocks":
            words[at] = "down"
    name = ".".join(words)
    for old, new in (
        ("mid_block.resnets.0", "mid.block_1"),
        ("mid_block.resnets.1", "mid.block_2"),
        ("resnets", "block"),
        ("downsamplers.0", "downsample"),
        ("upsamplers.0", "upsample"),
        ("conv_shortcut", "nin_shortcut"),
        ("conv_norm_out", "norm_out"),
    ):
        name = name.replace(old, new)
    for old, new in VAE_ATTENTION.items():
        name = name.replace(f"mid_block.attentions.0.{old}.", f"mid.attn_1.{new}.")
    return name


def _clip_g(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    found = {}
    for name, tensor in tensors.items():
        if ".q_proj." in name:
            stacked = torch.cat([tensors[name.replace("q_proj", f"{one}_proj")] for one in "qkv"])
            name = name.replace("self_attn.q_proj.", "attn.in_proj_")
        elif ".k_proj." in name or ".v_proj." in name:
            continue
        elif name == "text_projection.weight":
            name, stacked = "text_projection", tensor.t().contiguous()
        else:
            stacked = tensor
        for old, new in CLIP_G.items():
            name = name.replace(old, new)
        found[name] = stacked
    return found


def small_parts() -> dict[str, dict[str, torch.Tensor]]:
    """The tensors of the small SDXL, as its files have them."""
    return {part: load_file(next((small_model() / part).glob("*.safetensors"))) for part in WEIGHTED}


def write_small(path: Path, extra: dict[str, Any] | None = None, left_out: Iterable[str] = ()) -> Path:
    """The small SDXL as a single file, its configurations, tokenizers and scheduler in the folder beside it."""
    per_block = json.loads((small_model() / "unet" / "config.json").read_text())["layers_per_block"]
    tensors = to_checkpoint(small_parts(), per_block) | (extra or {})
    tensors = {name: one for name, one in tensors.items() if not name.startswith(tuple(left_out) or ("-",))}
    save_file(tensors, path)
    shutil.copytree(small_model(), path.with_suffix(""), ignore=shutil.ignore_patterns("*.safetensors"))
    return path
