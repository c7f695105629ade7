"""Frozen Linear layers with a LoRA beside them, as plain products: forward, and the gradient by hand."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import nn

from trainer.model.adapters import LoraLinear
from trainer.model.fused.frozen import FrozenRows
from trainer.model.quantized import weight_of


@dataclass(frozen=True)
class Slot:
    """Trained numbers in the precision of the model, and the place that their gradient is added to; both are views."""

    value: torch.Tensor
    grad: torch.Tensor


# numbers of one shape that lie side by side, by their names, as (count, *shape)
Stack = Callable[[Sequence[str]], Slot]


class Projection:
    """x (tokens, in) -> (tokens, out): the frozen product, plus scale * up @ down @ x where the layer has a LoRA."""

    def __init__(self, layer: nn.Linear | LoraLinear, path: str, stack: Stack) -> None:
        self._layer = layer if isinstance(layer, LoraLinear) else None
        self._base = layer.base if isinstance(layer, LoraLinear) else layer
        if self._layer is not None:
            down, up = stack([f"{path}.down"]), stack([f"{path}.up"])
            self._down, self._up = _only(down), _only(up)

    @property
    def trained(self) -> bool:
        """Whether there is a LoRA."""
        return self._layer is not None

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | None]:
        """The answer, and down @ x (tokens, rank) for the gradient."""
        weight, bias = weight_of(self._base), self._base.bias
        y = torch.mm(x, weight.t()) if bias is None else torch.addmm(bias, x, weight.t())
        if self._layer is None:
            return y, None
        small = torch.mm(x, self._down.value.t())
        return y.addmm_(small, self._up.value.t(), alpha=self._layer.scale), small

    def backward(self, grad: torch.Tensor, x: torch.Tensor | None, small: torch.Tensor | None) -> torch.Tensor:
        """The gradient of x (not needed without a LoRA); those of down and up are added where they belong."""
        above = torch.mm(grad, weight_of(self._base))
        if self._layer is None:
            return above
        assert x is not None and small is not None
        scale, low = self._layer.scale, torch.mm(grad, self._up.value)
        self._up.grad.addmm_(grad.t(), small, alpha=scale)
        self._down.grad.addmm_(low.t(), x, alpha=scale)
        return above.addmm_(low, self._down.value, alpha=scale)


class QueryKeyValue:
    """The three projections of a self-attention in one: x (tokens, d) -> (tokens, 3, d)."""

    def __init__(self, layers: Sequence[LoraLinear], paths: Sequence[str], stack: Stack) -> None:
        self._layer = layers[0]
        self._base = FrozenRows([one.base for one in layers])
        self._down, self._up = (stack([f"{path}.{name}" for path in paths]) for name in ("down", "up"))
        self._rank = self._down.value.shape[1]

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The answer, and all downs @ x (tokens, 3 rank) for the gradient."""
        tokens, width = x.shape
        y = self._base.times(x).view(tokens, 3, width)
        small = torch.mm(x, self._down.value.flatten(0, 1).t())
        y.transpose(0, 1).baddbmm_(self._each(small), self._up.value.transpose(1, 2), alpha=self._layer.scale)
        return y, small

    def backward(self, grad: torch.Tensor, x: torch.Tensor, small: torch.Tensor) -> torch.Tensor:
        """From the gradient (tokens, 3, d) that of x; those of downs and ups are added where they belong."""
        scale, each = self._layer.scale, grad.transpose(0, 1)
        low = grad.new_empty(len(grad), 3 * self._rank)
        torch.bmm(each, self._up.value, out=self._each(low))
        self._up.grad.baddbmm_(each.transpose(1, 2), self._each(small), alpha=scale)
        self._down.grad.flatten(0, 1).addmm_(low.t(), x, alpha=scale)
        above = self._base.back(grad.view(len(grad), -1))
        return above.addmm_(low, self._down.value.flatten(0, 1), alpha=scale)

    def _each(self, small: torch.Tensor) -> torch.Tensor:
        return small.view(len(small), 3, self._rank).transpose(0, 1)


def _only(slot: Slot) -> Slot:
    return Slot(slot.value[0], slot.grad[0])
