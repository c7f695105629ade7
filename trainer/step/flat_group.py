"""One flat buffer for all parameters of a group: the optimizer sees one tensor in place of a thousand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import nn

# of the numbers in a flat buffer; a checkpoint of before has no word of it, and the order of FlatGroup.declared
LAYOUT = 1

Rates = dict[str, dict[str, float | None]]  # lr, d and the effective rate by the name of the group


@dataclass
class FlatGroup:
    """Parameters that share one rate. Each becomes a view into `data`, its gradient a view into `grad` (fp32).

    `names` are in the order in which they lie in the buffer, `declared` in the one in which they were given: that of
    the checkpoints of before there was another.
    """

    name: str
    lr: float
    weight_decay: float
    names: tuple[str, ...]
    parameters: tuple[nn.Parameter, ...]
    data: torch.Tensor
    grad: torch.Tensor
    declared: tuple[str, ...] = ()
    trains: bool = True  # else nothing is ever added to `grad`, which is one zero in the place of all

    @classmethod
    def of(
        cls,
        name: str,
        named: dict[str, nn.Parameter],
        lr: float,
        weight_decay: float,
        order: Sequence[str] = (),
        trains: bool = True,
    ) -> FlatGroup:
        """Move `named` into one buffer, in `order` if one is given; values and names stay as they are."""
        names = tuple(order or named)
        parameters = tuple(named[one] for one in names)
        data = torch.cat([one.detach().float().reshape(-1) for one in parameters])
        grad = torch.zeros_like(data) if trains else data.new_zeros(1).expand(len(data))
        group = cls(name, lr, weight_decay, names, parameters, data, grad, tuple(named), trains)
        for one, place in zip(parameters, group.places(), strict=True):
            one.data = data[place].view_as(one)
            one.grad = grad[place].view_as(one) if trains else None
        return group

    def part(self, name: str, place: slice, width: int, weight_decay: float) -> FlatGroup:
        """Some of its numbers, rows of `width`, as a group of their own in the same memory: frozen or decayed apart.

        The parameter that it names stands for them alone; the one that they belong to stays with this group.
        """
        own = nn.Parameter(self.data[place].view(-1, width))
        own.grad = self.grad[place].view(-1, width) if self.trains else None
        return FlatGroup(
            name, self.lr, weight_decay, (name,), (own,), self.data[place], self.grad[place], (name,), self.trains
        )

    def places(self) -> list[slice]:
        """Where each parameter lies in the buffer."""
        ends, at = [], 0
        for one in self.parameters:
            ends.append(slice(at, at + one.numel()))
            at += one.numel()
        return ends

    def sliced(self, every: int) -> torch.Tensor | None:
        """Indices of every `every`-th number of each parameter, as Prodigy's slice_p takes them; None for all."""
        if every == 1:
            return None
        device = self.data.device
        return torch.cat([torch.arange(one.start, one.stop, every, device=device) for one in self.places()])

    def reordered(self, saved: torch.Tensor, every: int = 1) -> torch.Tensor:
        """What a checkpoint of before has for every `every`-th number of each parameter, as they lie in the buffer."""
        sizes = {name: -(-one.numel() // every) for name, one in zip(self.names, self.parameters, strict=True)}
        parts = dict(zip(self.declared, saved.split([sizes[name] for name in self.declared]), strict=True))
        return torch.cat([parts[name] for name in self.names])

    def freeze(self) -> None:
        """End the training of these parameters: no gradient from here on."""
        for one in self.parameters:
            one.requires_grad_(False)
            one.grad = None


def gradient_norm(groups: Sequence[FlatGroup]) -> torch.Tensor:
    """Of all their gradients together, 0-d: of one group its own, which the root of its square is to the bit."""
    norms = [torch.linalg.vector_norm(group.grad) for group in groups]
    return norms[0] if len(norms) == 1 else torch.stack(norms).square().sum().sqrt()
