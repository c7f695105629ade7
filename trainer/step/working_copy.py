"""The LoRA as the products read it: the whole flat buffer cast in one operation, its gradients in one buffer too."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import nn

from trainer.model.adapters import LoraLinear
from trainer.model.fused.projections import Slot
from trainer.step.flat_group import FlatGroup


class WorkingCopy:
    """A group's numbers in the precision of the model; the fp32 numbers of the group stay what is trained.

    Cast anew before each pass of `readers`, whatever has changed the numbers since: a step, a checkpoint that was put
    back, a rounding for a picture. The layers read views of it as leaves, so that a backward pass adds to `grad`
    without a cast for each of a thousand tensors. In fp32 there is nothing to cast: the group is its own copy.
    """

    def __init__(
        self, group: FlatGroup, layers: dict[str, LoraLinear], dtype: torch.dtype, readers: Iterable[nn.Module]
    ) -> None:
        self.group, self._layers, self._hooks = group, layers, []
        self._cast = dtype != group.data.dtype
        self.data = group.data.to(dtype)  # the group's own where the precision is fp32
        self.grad = torch.zeros_like(self.data) if self._cast and group.trains else group.grad
        self._places = dict(zip(group.names, group.places(), strict=True))
        self._shapes = {name: one.shape for name, one in zip(group.names, group.parameters, strict=True)}
        if not self._cast:
            return
        for path, layer in layers.items():
            layer.working = (self._leaf(f"{path}.down"), self._leaf(f"{path}.up"))
        self._hooks = [reader.register_forward_pre_hook(self._renew) for reader in readers]

    def _leaf(self, name: str) -> torch.Tensor:
        # .data: a cast for one encoder must not count as a change of what another has saved for its backward pass;
        # the numbers are the same until a step is taken
        slot = self.stack([name])
        leaf = slot.value[0].data.requires_grad_(self.group.trains)
        leaf.grad = slot.grad[0] if self.group.trains else None
        return leaf

    def stack(self, names: Sequence[str]) -> Slot:
        """Numbers of one shape that lie side by side, (count, *shape), and the place of their gradients."""
        places, shape = [self._places[name] for name in names], self._shapes[names[0]]
        assert all(one.stop == other.start for one, other in pairwise(places))
        whole = slice(places[0].start, places[-1].stop)
        return Slot(*(one[whole].view(len(names), *shape) for one in (self.data, self.grad)))

    @torch.no_grad()
    def _renew(self, *_: Any) -> None:
        self.data.copy_(self.group.data)

    @torch.no_grad()
    def collect(self) -> None:
        """Add the gradients of a backward pass to the group's, in fp32, and empty the buffer for the next."""
        if self._cast:
            self.group.grad.add_(self.grad)
            self.grad.zero_()

    def end(self) -> None:
        """The layers cast their own numbers from here on, which nothing trains any more."""
        for hook in self._hooks:
            hook.remove()
        for layer in self._layers.values():
            layer.working = None
