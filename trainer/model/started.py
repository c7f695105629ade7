"""A LoRA that begins from a part of the weight under it, as PiSSA and OLoRA do, and is exported on the whole one."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from trainer.contract.plan.adapter_size import START_MORE
from trainer.contract.settings.adapter import Adapter
from trainer.model.adapters import LoraLinear
from trainer.model.quantized import weight_of

Factors = tuple[torch.Tensor, torch.Tensor]


class StartedLinear(LoraLinear):
    """A frozen Linear W plus scale * (B A - B0 A0), trained from A = A0 (rank, in) and B = B0 (out, rank).

    Those who found it put W - scale * B0 A0 in place of W. That is the same function with the same gradients; here W
    stays as it is, so that nothing of it is lost to rounding, and a quantized one serves as well. `down` is A - A0 and
    `up` B - B0, both from zeros: weight decay draws back to the start, where it would take a part of W away.

    B A - B0 A0 = [up, B0] [A0 + down; down], a LoRA of twice the rank of which no two terms cancel: rounded to half
    precision it is wrong by a part of the change, not by a part of W. That is computed, and that is in the files.
    Dropout is of what the change sees. A0 and B0 are kept in checkpoints: an SVD's signs are not the same everywhere.
    """

    down0: torch.Tensor
    up0: torch.Tensor

    def __init__(self, base: nn.Linear, rank: int, alpha: float, start: torch.Generator, dropout: float = 0.0) -> None:
        super().__init__(base, rank, alpha, start, dropout)
        self.down = nn.Parameter(torch.zeros_like(self.down))
        for name, like in (("down0", self.down), ("up0", self.up)):
            self.register_buffer(name, torch.zeros_like(like.detach()), persistent=False)

    @torch.no_grad()
    def begin(self, own: Adapter, start: torch.Generator) -> None:
        """Take A0 and B0 from W as `adapter.start` says."""
        weight = weight_of(self.base).detach().float()
        make = orthonormal if own.start == "olora" else principal
        down, up = make(weight, len(self.down), self.scale, own.start_rounds, start)
        self.down0.copy_(down)
        self.up0.copy_(up)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(..., in) -> (..., out)."""
        seen = functional.dropout(x, self.dropout) if self.dropout and torch.is_grad_enabled() else x
        down, up = (one.to(x.dtype) for one in self.factors())
        small = functional.linear(seen, down)
        return self.base(x) + functional.linear(small * self.scale if self.scale != 1.0 else small, up)

    def fixed(self) -> dict[str, torch.Tensor]:
        """A0 and B0."""
        return {"down0": self.down0, "up0": self.up0}

    def rounded(self) -> dict[str, nn.Parameter]:
        """Nothing by itself: `hold` rounds what is in the file."""
        return {}

    def factors(self) -> Factors:
        """[A0 + down; down] (2 rank, in) and [up, B0] (out, 2 rank), or what is held in their place."""
        if self.held is not None:
            return self.held
        return torch.cat((self.down0 + self.down, self.down)), torch.cat((self.up, self.up0), dim=1)

    def hold(self, dtype: torch.dtype) -> None:
        """Count as a file of this precision has it."""
        down, up = (one.detach().to(dtype).float() for one in self.factors())
        self.held = down, up

    def filled(self) -> Factors:
        """Room for what a file holds, which counts from now on."""
        down, up = (torch.zeros_like(one) for one in self.factors())
        self.held = down, up
        return down, up

    def change(self) -> torch.Tensor:
        """scale * (B A - B0 A0), by its definition and in fp64: what the files are proved by."""
        if self.held is not None:
            return super().change()
        down, up, down0, up0 = (one.detach().double() for one in (self.down, self.up, self.down0, self.up0))
        return (self.scale * ((up0 + up) @ (down0 + down) - up0 @ down0)).float()


def principal(weight: torch.Tensor, rank: int, scale: float, rounds: int, start: torch.Generator) -> Factors:
    """PiSSA (Meng et al. 2024): the root of the largest singular values on either side, scale * B0 A0 their part of W.

    `rounds` of subspace iteration with `START_MORE` directions beyond the rank (Halko, Martinsson and Tropp 2011,
    algorithm 4.4); 0: the whole decomposition.
    """
    if rounds:
        width = min(rank + START_MORE, *weight.shape)
        drawn = torch.randn((weight.shape[1], width), generator=start).to(weight.device)
        basis = torch.linalg.qr(weight @ drawn).Q
        for _ in range(rounds):
            basis = torch.linalg.qr(weight @ torch.linalg.qr(weight.T @ basis).Q).Q
        small, values, right = torch.linalg.svd(basis.T @ weight, full_matrices=False)
        left = basis @ small
    else:
        left, values, right = torch.linalg.svd(weight, full_matrices=False)
    roots = (values[:rank] / scale).sqrt()
    return roots[:, None] * right[:rank], left[:, :rank] * roots


def orthonormal(weight: torch.Tensor, rank: int, scale: float, rounds: int, start: torch.Generator) -> Factors:
    """OLoRA (Buyukakyuz 2024): the first columns of Q and rows of R of W = Q R, whatever the scale is."""
    left = torch.linalg.qr(weight[:, :rank]).Q  # the first columns of Q depend on those of W alone
    return left.T @ weight, left
