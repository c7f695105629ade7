"""The proof of an export: the weight change that a file describes is the one that the model has."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import load_file

from trainer.adapters import LoraLinear
from trainer.export.keys import diffusers_key, kohya_key

# relative error of rounding to the nearest, and half the spacing of the smallest numbers
ROUNDING = {
    torch.float32: (0.0, 0.0),
    torch.float16: (2.0**-11, 2.0**-25),
    torch.bfloat16: (2.0**-8, 2.0**-134),
}
FP32 = 1e-6  # of the product itself, relative to the sum of its absolute terms


class ExportMismatch(RuntimeError):
    """A written file does not describe the trained model."""


def prove_diffusers(path: Path, layers: dict[str, LoraLinear]) -> None:
    """Read `path` back and compare every layer. Raises ExportMismatch."""
    tensors = load_file(path)
    _same_keys(path, set(tensors), {diffusers_key(name, side) for name in layers for side in ("down", "up")})
    for name, layer in layers.items():
        down, up = tensors[diffusers_key(name, "down")], tensors[diffusers_key(name, "up")]
        _same_change(path, name, layer, down, up, 1.0)


def prove_kohya(path: Path, layers: dict[str, LoraLinear], layers_per_block: int) -> None:
    """Read `path` back and compare every layer, alpha included. Raises ExportMismatch."""
    tensors = load_file(path)
    keys = {name: kohya_key(name, layers_per_block) for name in layers}
    parts = ("lora_down.weight", "lora_up.weight", "alpha")
    _same_keys(path, set(tensors), {f"{key}.{part}" for key in keys.values() for part in parts})
    for name, layer in layers.items():
        down, up, alpha = (tensors[f"{keys[name]}.{part}"] for part in parts)
        _same_change(path, name, layer, down, up, float(alpha) / down.shape[0])


def prove_embeddings(path: Path, rows: dict[str, torch.Tensor]) -> None:
    """Read `path` back; the rows are there to the bit. Raises ExportMismatch."""
    tensors = load_file(path)
    _same_keys(path, set(tensors), set(rows))
    for name, expected in rows.items():
        if not torch.equal(tensors[name], expected.detach().float().cpu()):
            raise ExportMismatch(f"{path.name}: {name} differs from what was trained")


def _same_keys(path: Path, found: set[str], expected: set[str]) -> None:
    if found != expected:
        odd = sorted(found ^ expected)[:3]
        raise ExportMismatch(f"{path.name}: {len(found ^ expected)} keys too many or too few, such as {odd}")


def _same_change(path: Path, name: str, layer: LoraLinear, down: torch.Tensor, up: torch.Tensor, scale: float) -> None:
    found = scale * (up.float() @ down.float())
    expected = layer.change().cpu()
    relative, least = ROUNDING[down.dtype]
    # the bound follows from rounding each factor: |d(up)| |down| + |up| |d(down)| + |d(up)| |d(down)|
    wide, flat = up.float().abs(), down.float().abs()
    error_up, error_down = wide * relative + least, flat * relative + least
    bound = error_up @ flat + wide @ error_down + error_up @ error_down + FP32 * (wide @ flat)
    over = (found - expected).abs() - scale * bound * 1.01
    if not torch.isfinite(found).all() or bool((over > 0).any()):
        raise ExportMismatch(f"{path.name}: the weight change of {name} is not the model's (off by {over.max():.3g})")
