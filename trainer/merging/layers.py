"""The layers of two LoRAs side by side, and what becomes of them: one of the sum of both ranks, or cut to fewer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import nn

from trainer.contract.loras.lora_file import LoraFile
from trainer.ground import draws
from trainer.ground.tensor_files import opened_tensors
from trainer.model.adapters import LoraLinear
from trainer.model.parts import Parts


@dataclass(frozen=True)
class Factors:
    """The change of one layer in fp32: up (out, rank) @ down (rank, in), the scale in `up`."""

    down: torch.Tensor
    up: torch.Tensor

    @property
    def rank(self) -> int:
        """Rows of `down`."""
        return len(self.down)

    def weighted(self, weight: float) -> Factors:
        """`weight` times the change."""
        return Factors(self.down, self.up * weight)

    def by_columns(self, factors: torch.Tensor) -> Factors:
        """Each column of the change times its own of `factors`, (in,)."""
        return Factors(self.down * factors, self.up)


Layers = Mapping[str, Factors]


@torch.no_grad()
def read_layers(lora: LoraFile) -> dict[str, Factors]:
    """Every layer of a file that is no DoRA. Raises OSError, SafetensorError."""
    found = {}
    with opened_tensors(lora.path) as file:
        for path, told in lora.layers.items():
            down, up = (file.get_tensor(name).float().flatten(1) for name in (told.down, told.up))
            found[path] = Factors(down, up * told.scale)
    return found


def added(first: Layers, second: Layers) -> dict[str, Factors]:
    """The sum of both: exact, of the sum of their ranks."""
    found = {}
    for path in dict.fromkeys((*first, *second)):
        both = [one[path] for one in (first, second) if path in one]
        found[path] = Factors(torch.cat([one.down for one in both]), torch.cat([one.up for one in both], dim=1))
    return found


@torch.no_grad()
def cut(layers: Layers, rank: int) -> tuple[dict[str, Factors], float]:
    """The nearest change of at most `rank` in each layer (the first singular values), and how much of all is kept.

    The part is of the Frobenius norm of all layers together, 1 where nothing was cut. The singular values are those of
    a matrix of rank x rank: up = Q R and down' = P S give up @ down = Q (R S') P'.
    """
    found, kept, whole = {}, 0.0, 0.0
    for path, one in layers.items():
        (left, r), (right, s) = torch.linalg.qr(one.up.double()), torch.linalg.qr(one.down.double().T)
        u, values, v = torch.linalg.svd(r @ s.T)
        squares = values.square()
        whole, kept = whole + float(squares.sum()), kept + float(squares[:rank].sum())
        if one.rank <= rank:
            found[path] = one
            continue
        roots = values[:rank].sqrt()
        up, down = left @ (u[:, :rank] * roots), (roots[:, None] * v[:rank]) @ right.T
        found[path] = Factors(down.float().contiguous(), up.float().contiguous())
    return found, (kept / whole) ** 0.5 if whole else 1.0


def as_trained(layers: Layers) -> dict[str, LoraLinear]:
    """The same as the modules that files are written from and proved by; the weights under them are shapes alone."""
    return {path: _module(one) for path, one in layers.items()}


def _module(one: Factors) -> LoraLinear:
    base = nn.Linear(one.down.shape[1], one.up.shape[0], bias=False, device="meta")
    layer = LoraLinear(base, one.rank, one.rank, draws.generator(0, "lora"))
    layer.down, layer.up = (nn.Parameter(tensor, requires_grad=False) for tensor in (one.down, one.up))
    return layer


def insert(parts: Parts, layers: Layers) -> None:
    """Put them on the unet's Linears, in the precision of the rest."""
    for path, one in layers.items():
        parent, _, name = path.rpartition(".")
        holder = parts.unet.get_submodule(parent)
        layer = LoraLinear(getattr(holder, name), one.rank, one.rank, draws.generator(0, "lora"))
        with torch.no_grad():
            layer.down.copy_(one.down)
            layer.up.copy_(one.up)
        setattr(holder, name, layer.requires_grad_(False))
