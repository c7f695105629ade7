"""What other programs make of one layer of a LoRA file: their arithmetic, said again in our own words.

Each reader takes the base weight W (out, in) in fp32 and the layer as the file has it, and returns the change of W at
strength 1. Sources, each at the commit that was read:

* ComfyUI 9c0cf36: comfy/weight_adapter/base.py weight_decompose; Forge dfdcbab: backend/patcher/lora.py, the same.
  SwarmUI 062407c draws with ComfyUI.
* AUTOMATIC1111, as Forge dfdcbab carries it: packages_3rdparty/webui_lora_collection/network.py NetworkModule
  .finalize_updown and apply_weight_decompose; InvokeAI 8e71a8a: backend/patches/layers/dora_layer.py DoRALayer
  .get_weight, the same.
* SD.Next 058a7f0: modules/lora/network.py NetworkModule.apply_weight_decompose; of before, with the scale last.
* kohya-ss/sd-scripts 48d368f: networks/lora.py LoRAInfModule.merge_to; stable-diffusion.cpp 97d2990:
  src/model/adapter/lora.hpp get_lora_weight_diff. Neither knows dora_scale.
* PEFT, as it is installed: tuners/lora/dora.py DoraLinearLayer (a test compares).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class FileLayer:
    """One layer as a file has it; `magnitude` (dora_scale or lora_magnitude_vector) is None without DoRA."""

    down: torch.Tensor  # (rank, in), or a convolution's (rank, in, height, width)
    up: torch.Tensor  # (out, rank), or (out, rank, 1, 1)
    alpha: float
    magnitude: torch.Tensor | None

    @property
    def scale(self) -> float:
        """alpha / rank."""
        return self.alpha / self.down.shape[0]

    def product(self) -> torch.Tensor:
        """up @ down in fp32, (out, in) or a convolution's (out, in * height * width)."""
        return self.up.float().flatten(1) @ self.down.float().flatten(1)


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
    """SD.Next: the lengths of rows where dora_scale is (out, 1), else of columns."""
    product = layer.scale * layer.product()
    lengths = layer.magnitude
    if lengths is None or lengths.dim() < 2 or lengths.shape != (weight.shape[0], 1):
        return _columns(weight, product, lengths)
    moved = weight + product
    return moved * (lengths.float() / moved.norm(dim=1, keepdim=True)) - weight


def sdnext_of_before(weight: torch.Tensor, layer: FileLayer) -> torch.Tensor:
    """SD.Next of before: the columns, and the scale comes last, so that alpha must be the rank with DoRA."""
    return layer.scale * _columns(weight, layer.product(), layer.magnitude)


def kohya(weight: torch.Tensor, layer: FileLayer) -> torch.Tensor:
    """kohya's scripts and stable-diffusion.cpp: up @ down alone; dora_scale is left out."""
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
    "SD.Next of before": sdnext_of_before,
    "kohya's scripts and stable-diffusion.cpp": kohya,
}
INTERFACES_DORA = {name: one for name, one in INTERFACES.items() if one is not kohya}
LIBRARIES: dict[str, Reader] = {"diffusers and PEFT": peft}
