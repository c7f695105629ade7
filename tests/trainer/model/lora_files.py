"""LoRA files of random numbers for the small SDXL, with the names that other programs give their layers."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from trainer.contract.basemodel.layers import lora_paths
from trainer.contract.basemodel.tensors import wanted_tensors
from trainer.contract.loras.keys import kohya_key

Matrices = dict[str, tuple[torch.Tensor, torch.Tensor]]


def unet_of(base: Path) -> dict[str, Any]:
    """The configuration of a folder's unet."""
    found: dict[str, Any] = json.loads((base / "unet" / "config.json").read_text())
    return found


def matrices(base: Path, rank: int, targets: str = "attention", seed: int = 0) -> Matrices:
    """Random down (rank, in) and up (out, rank) of each layer."""
    start, unet = torch.Generator().manual_seed(seed), unet_of(base)
    shapes = wanted_tensors("unet", unet)
    assert shapes is not None
    found = {}
    for path in lora_paths(unet, targets):
        outputs, inputs = shapes[f"{path}.weight"]
        found[path] = (torch.randn(rank, inputs, generator=start), torch.randn(outputs, rank, generator=start))
    return found


def kohya(path: Path, made: Matrices, alpha: float, base: Path, **more: torch.Tensor) -> Path:
    """As kohya's scripts write it, with an alpha for each layer."""
    count = unet_of(base)["layers_per_block"]
    tensors = dict(more)
    for name, (down, up) in made.items():
        key = kohya_key(name, count)
        tensors |= {f"{key}.lora_down.weight": down, f"{key}.lora_up.weight": up, f"{key}.alpha": torch.tensor(alpha)}
    save_file(tensors, path)
    return path


def named(path: Path, made: Matrices, name: Callable[[str, str], str], metadata: dict[str, str] | None = None) -> Path:
    """With `name(path, "down" or "up")` for each matrix, and no alpha."""
    tensors = {
        name(one, side): each for one, pair in made.items() for side, each in zip(("down", "up"), pair, strict=True)
    }
    save_file(tensors, path, metadata)
    return path


def old_name(path: str, side: str) -> str:
    """As diffusers named the attention's processors before 0.22."""
    where, _, layer = path.removesuffix(".0").rpartition(".")
    return f"unet.{where}.processor.{layer}_lora.{side}.weight"


NAMES: dict[str, Callable[[str, str], str]] = {
    "diffusers": lambda path, side: f"unet.{path}.lora.{side}.weight",
    "diffusers of today": lambda path, side: f"unet.{path}.lora_{'A' if side == 'down' else 'B'}.weight",
    "PEFT": lambda path, side: f"base_model.model.{path}.lora_{'A' if side == 'down' else 'B'}.weight",
    "diffusers of before": old_name,
    "kohya with diffusers' blocks": lambda path, side: f"lora_unet_{path.replace('.', '_')}.lora_{side}.weight",
}
