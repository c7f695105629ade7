"""What other programs make of one layer of a LoRA file: their arithmetic, said again in our own words.

Each reader takes the base weight W (out, in) in fp32 and the layer as the file has it, and returns the change of W at
strength 1. Sources, as read in November 2026: ComfyUI comfy/weight_adapter/lora.py LoRAAdapter.calculate_weight and
base.py weight_decompose (Forge: backend/patcher/lora.py, the same); AUTOMATIC1111 extensions-builtin/Lora/network.py
NetworkModule.finalize_updown and apply_weight_decompose (SD.Next modules/lora/network.py, but for the place of the
scale); PEFT tuners/lora/dora.py DoraLinearLayer; kohya sd-scripts networks/lora.py LoRAInfModule.merge_to; InvokeAI
backend/patches/layers/dora_layer.py DoRALayer.get_weight.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class FileLayer:
    """One layer as a file has it; `magnitude` (dora_scale or lora_magnitude_vector) is None without DoRA."""

    down: torch.Tensor  # (rank, in)
    up: torch.Tensor  # (out, rank)
    alpha: float
    magnitude: torch.Tensor | None

    @property
    def scale(self) -> float:
        """alpha / rank."""
        return self.alpha / self.down.shape[0]

    def product(self) -> torch.Tensor:
        """up @ down in fp32, (out, in)."""
        return self.up.float() @ self.down.float()


Reader = Callable[[torch.Tensor, FileLayer], torch.Tensor]


def comfyui(weight: torch.Tensor, layer: FileLayer) -> torch.Tensor:
    """ComfyUI and Forge. With a length for each row they divide by the rows of W, not by those of the sum."""
    moved = weight + layer.scale * layer.product()
    if layer.magnitude is None:
        return moved - weight
    lengths = layer.magnitude.float()
    by_row = lengths.shape[0] == weight.shape[0]
    seen = weight.norm(dim=1, keepdim=True) if by_row else moved.norm(dim=0, keepdim=True)
    return moved * (lengths / (seen + torch.finfo(torch.float32).eps)) - weight


def a1111(weight: torch.Tensor, layer: FileLayer) -> torch.Tensor:
    """AUTOMATIC1111 and InvokeAI: the columns' lengths, whatever shape dora_scale has."""
    return _columns(weight, layer.scale * layer.product(), layer.magnitude)


def sdnext(weight: torch.Tensor, layer: FileLayer) -> torch.Tensor:
    """SD.Next: the same, but the scale comes last, so that alpha must be the rank with DoRA."""
    return layer.scale * _columns(weight, layer.product(), layer.magnitude)


def kohya(weight: torch.Tensor, layer: FileLayer) -> torch.Tensor:
    """kohya's scripts: up @ down alone; dora_scale is left out."""
    return layer.scale * layer.product()


def peft(weight: torch.Tensor, layer: FileLayer) -> torch.Tensor:
    """diffusers through PEFT, which takes alpha = rank: the rows' lengths; raises RuntimeError for another number."""
    moved = weight + layer.product()
    if layer.magnitude is None:
        return moved - weight
    stretch = (layer.magnitude.float().reshape(-1) / moved.norm(dim=1)).reshape(-1, 1)
    return moved * stretch - weight


def _columns(weight: torch.Tensor, product: torch.Tensor, lengths: torch.Tensor | None) -> torch.Tensor:
    if lengths is None:
        return product
    moved = weight + product
    return moved * (lengths.float() / moved.norm(dim=0, keepdim=True)) - weight


# who computes it with which of them: the file of the user interfaces without and with DoRA, and that of diffusers
INTERFACES: dict[str, Reader] = {
    "ComfyUI and Forge": comfyui,
    "AUTOMATIC1111 and InvokeAI": a1111,
    "SD.Next": sdnext,
    "kohya's scripts": kohya,
}
INTERFACES_DORA = {name: one for name, one in INTERFACES.items() if one is not kohya}
LIBRARIES: dict[str, Reader] = {"diffusers and PEFT": peft}
