"""The proof of an export: the weight change that a file describes is the one that the model has."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import nn

from trainer.contract.loras.keys import diffusers_key, diffusers_magnitude, kohya_key
from trainer.contract.units import plural
from trainer.export.lycoris_readers import LYCORIS, kind_of
from trainer.export.readers import INTERFACES, INTERFACES_DORA, LIBRARIES, FileLayer, Reader
from trainer.ground.tensor_files import load_tensors
from trainer.model.adapters import AdaptedLayer, DoraLinear, LoraLinear, rounded_to
from trainer.model.lycoris import LycorisLayer
from trainer.model.quantized import weight_of

# relative error of rounding to the nearest, and half the spacing of the smallest numbers
ROUNDING = {
    torch.float32: (0.0, 0.0),
    torch.float16: (2.0**-11, 2.0**-25),
    torch.bfloat16: (2.0**-8, 2.0**-134),
}
FP32 = 1e-6  # of the product itself, relative to the sum of its absolute terms
ROWS = 64  # of a weight that are compared at once
READ = 1e-5  # how far a reader's fp32 may be from ours, relative to the weight that it makes


class ExportMismatch(RuntimeError):
    """A written file does not describe the trained model."""


def prove_diffusers(path: Path, layers: dict[str, AdaptedLayer]) -> None:
    """Read `path` back and compare every layer. Raises ExportMismatch."""
    tensors = load_tensors(path)
    expected = {diffusers_key(name, side) for name in layers for side in ("down", "up")}
    expected |= {diffusers_magnitude(name) for name, layer in layers.items() if isinstance(layer, DoraLinear)}
    _same_keys(path, set(tensors), expected)
    for name, layer in layers.items():
        down, up = tensors[diffusers_key(name, "down")], tensors[diffusers_key(name, "up")]
        written = FileLayer(down, up, down.shape[0], tensors.get(diffusers_magnitude(name)))
        _compare(path, name, layer, written, LIBRARIES)


def prove_kohya(
    path: Path, layers: dict[str, AdaptedLayer], layers_per_block: int, bundled: dict[str, torch.Tensor] | None = None
) -> None:
    """Read `path` back and compare every layer, alpha and what is `bundled` included. Raises ExportMismatch."""
    tensors = load_tensors(path)
    keys = {name: kohya_key(name, layers_per_block) for name in layers}
    parts = ("lora_down.weight", "lora_up.weight", "alpha")
    others = {name: layer for name, layer in layers.items() if isinstance(layer, LycorisLayer)}
    expected = {f"{keys[name]}.{part}" for name in layers if name not in others for part in parts}
    expected |= {f"{keys[name]}.{part}" for name, layer in others.items() for part in (*layer.trained(), "alpha")}
    expected |= {f"{keys[name]}.dora_scale" for name, layer in layers.items() if isinstance(layer, DoraLinear)}
    _same_keys(path, set(tensors), expected | set(bundled or {}))
    _same_rows(path, tensors, bundled or {})
    for name, other in others.items():
        own = {part: tensors[f"{keys[name]}.{part}"] for part in (*other.trained(), "alpha")}
        _compare_other(path, name, other, own)
    for name, layer in layers.items():
        if name in others:
            continue
        down, up, alpha = (tensors[f"{keys[name]}.{part}"] for part in parts)
        written = FileLayer(down, up, float(alpha), tensors.get(f"{keys[name]}.dora_scale"))
        readers = INTERFACES if written.magnitude is None else INTERFACES_DORA
        _compare(path, name, layer, written, readers)


def prove_embeddings(path: Path, rows: dict[str, torch.Tensor]) -> None:
    """Read `path` back; the rows are there to the bit. Raises ExportMismatch."""
    tensors = load_tensors(path)
    _same_keys(path, set(tensors), set(rows))
    _same_rows(path, tensors, rows)


def _same_rows(path: Path, tensors: dict[str, torch.Tensor], rows: dict[str, torch.Tensor]) -> None:
    for name, expected in rows.items():
        if not torch.equal(tensors[name], expected.detach().float().cpu()):
            raise ExportMismatch(f"{path.name}: {name} differs from what was trained")


def _same_keys(path: Path, found: set[str], expected: set[str]) -> None:
    if found != expected:
        odd = sorted(found ^ expected)[:3]
        raise ExportMismatch(f"{path.name}: {plural(len(found ^ expected), 'key')} too many or too few, such as {odd}")


def _compare(path: Path, name: str, layer: LoraLinear, written: FileLayer, readers: Mapping[str, Reader]) -> None:
    off = _dora_error(layer, written) if isinstance(layer, DoraLinear) else _lora_error(layer, written)
    if not off <= 0:
        raise ExportMismatch(f"{path.name}: the weight change of {name} is not the model's (off by {off:.3g})")
    if isinstance(layer, DoraLinear):
        weight = layer.base.weight.detach().float().cpu()
    else:
        written, weight = _core(written)
    meant = _own_change(weight, layer, written)
    size = (weight + meant).norm().clamp(min=1e-12)
    for reader, compute in readers.items():
        try:
            off = float((compute(weight, written) - meant).norm() / size)
        except RuntimeError:  # shapes that do not go together
            off = float("inf")
        if not off <= READ:
            raise ExportMismatch(
                f"{path.name}: {reader} would make another weight of {name} than was trained (off by {off:.3g})"
            )


def _compare_other(path: Path, name: str, layer: LycorisLayer, written: dict[str, torch.Tensor]) -> None:
    """Each number is the trained one, rounded, and what readers make of them all is what the layer does with those."""
    dtype = next(one.dtype for part, one in written.items() if part != "alpha")
    with rounded_to({name: layer}, dtype):
        for part, one in layer.trained().items():
            if not torch.equal(one.detach().float().cpu(), written[part].float()):
                raise ExportMismatch(f"{path.name}: {part} of {name} differs from what was trained")
        base = layer.base
        weight = (base.weight if isinstance(base, nn.Conv2d) else weight_of(base)).detach().float().flatten(1).cpu()
        meant = layer.change().cpu()
    for reader, compute in LYCORIS[kind_of(written)].items():
        off = float((compute(weight, written) - meant).norm() / (weight + meant).norm().clamp(min=1e-12))
        if not off <= READ:
            raise ExportMismatch(
                f"{path.name}: {reader} would make another weight of {name} than was trained (off by {off:.3g})"
            )


def _core(written: FileLayer) -> tuple[FileLayer, torch.Tensor]:
    """The same layer in orthonormal bases of its columns and rows, at most (rank, rank), and a base weight of zeros.

    Without DoRA a reader adds and multiplies whole matrices, and W falls out of what it adds: a change of bases on both
    sides, which leaves each norm as it is, changes nothing of what is compared, and a thousandth of the numbers does.
    """
    up = torch.linalg.qr(written.up.float().flatten(1), mode="r").R
    down = torch.linalg.qr(written.down.float().flatten(1).T, mode="r").R.T
    return FileLayer(down, up, written.alpha, written.magnitude), torch.zeros(len(up), down.shape[1])


def _own_change(weight: torch.Tensor, layer: LoraLinear, written: FileLayer) -> torch.Tensor:
    """The change that the file's tensors mean along the axis that was trained."""
    change = written.scale * written.product()
    if not isinstance(layer, DoraLinear) or written.magnitude is None:
        return change
    moved, lengths = weight + change, written.magnitude.float().cpu()
    if layer.axis == "input":
        return moved * (lengths.reshape(1, -1) / moved.norm(dim=0, keepdim=True)) - weight
    return moved * (lengths.reshape(-1, 1) / moved.norm(dim=1, keepdim=True)) - weight


def _lora_error(layer: LoraLinear, written: FileLayer) -> float:
    """How far the file's change is outside the bound that rounding allows; at most 0 is right, NaN is not."""
    down, up = written.down.float().flatten(1), written.up.float().flatten(1)
    own = (LoraLinear.change(layer) if isinstance(layer, DoraLinear) else layer.change()).cpu()
    if own.shape != (len(up), down.shape[1]):
        return float("inf")
    relative, least = ROUNDING[written.down.dtype]
    # the bound follows from rounding each factor, |d(up)| |down| + |up| |d(down)| + |d(up)| |d(down)|, and the product
    wide, flat = up.abs(), down.abs()
    error_up, error_down = wide * relative + least, flat * relative + least
    bounds = torch.cat((error_up + FP32 * wide, wide + error_up), 1), torch.cat((flat, error_down))
    worst = []
    for at in range(0, len(up), ROWS):  # so few that what is made of them stays in the processor's cache
        rows = slice(at, at + ROWS)
        off = (up[rows] @ down).mul_(written.scale).sub_(own[rows]).abs_()
        worst.append(off.sub_(bounds[0][rows] @ bounds[1], alpha=written.scale * 1.01).max())
    return float(torch.stack(worst).max())


def _dora_error(layer: DoraLinear, written: FileLayer) -> float:
    """The same for a DoRA: direction as above, then each length to rounding."""
    if written.magnitude is None:
        return float("inf")
    own, found = layer.magnitude.detach().cpu().reshape(-1), written.magnitude.float().reshape(-1)
    relative, least = ROUNDING[written.magnitude.dtype]
    lengths = float(((found - own).abs() - (own.abs() * relative + least) * 1.01 - FP32).max())
    return max(_lora_error(layer, written), lengths, key=lambda one: (one != one, one))
