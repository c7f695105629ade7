"""What the user interfaces make of a layer with LyCORIS' names: their arithmetic, said again in our own words.

Each reader takes the base weight W (out, in or in * height * width) in fp32 and the layer's tensors by the names
behind the layer's own, and returns the change of W at strength 1. Sources: ComfyUI comfy/weight_adapter (lokr.py,
loha.py, oft.py); AUTOMATIC1111 extensions-builtin/Lora (network_lokr.py, network_hada.py, network_oft.py), whose limit
of a rotation is alpha times the outputs, as in kohya-ss/sd-scripts networks/oft.py; LyCORIS itself reads as they do.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch

Tensors = Mapping[str, torch.Tensor]
LycorisReader = Callable[[torch.Tensor, Tensors], torch.Tensor]


def lokr(weight: torch.Tensor, layer: Tensors) -> torch.Tensor:
    """Kronecker's product of both, times alpha / rank where the second one has a rank."""
    first, rank = layer["lokr_w1"].float(), 0
    if "lokr_w2" in layer:
        second = layer["lokr_w2"].float()
    else:
        second, rank = layer["lokr_w2_a"].float() @ layer["lokr_w2_b"].float(), len(layer["lokr_w2_b"])
    if second.dim() == 4:
        first = first[:, :, None, None]
    scale = float(layer["alpha"]) / rank if rank else 1.0
    return torch.kron(first, second).reshape(weight.shape) * scale


def loha(weight: torch.Tensor, layer: Tensors) -> torch.Tensor:
    """Two products, multiplied number by number, times alpha / rank."""
    one = layer["hada_w1_a"].float() @ layer["hada_w1_b"].float()
    other = layer["hada_w2_a"].float() @ layer["hada_w2_b"].float()
    return (one * other).reshape(weight.shape) * (float(layer["alpha"]) / len(layer["hada_w1_b"]))


def comfyui_oft(weight: torch.Tensor, layer: Tensors) -> torch.Tensor:
    """ComfyUI: the whole skew matrix no longer than alpha."""
    return _oft(weight, layer["oft_blocks"].float(), float(layer["alpha"]))


def a1111_oft(weight: torch.Tensor, layer: Tensors) -> torch.Tensor:
    """AUTOMATIC1111 and kohya's scripts: no longer than alpha times the number of outputs."""
    return _oft(weight, layer["oft_blocks"].float(), float(layer["alpha"]) * len(weight))


def _oft(weight: torch.Tensor, blocks: torch.Tensor, longest: float) -> torch.Tensor:
    skew, one = blocks - blocks.transpose(1, 2), torch.eye(blocks.shape[1])
    if (length := float(skew.norm())) > longest:
        skew = skew * (longest / length)
    turn = (one + skew) @ (one - skew).inverse()
    groups = weight.reshape(len(blocks), blocks.shape[1], -1)
    return torch.einsum("knm,kni->kmi", turn, groups).reshape(weight.shape) - weight


LYCORIS: dict[str, dict[str, LycorisReader]] = {
    "lokr": {"ComfyUI, AUTOMATIC1111 and LyCORIS": lokr},
    "loha": {"ComfyUI, AUTOMATIC1111 and LyCORIS": loha},
    "oft": {"ComfyUI": comfyui_oft, "AUTOMATIC1111 and kohya's scripts": a1111_oft},
}


def kind_of(layer: Tensors) -> str:
    """Whose names they are."""
    return next(kind for kind in LYCORIS if any(name.startswith(kind.replace("loha", "hada")) for name in layer))
