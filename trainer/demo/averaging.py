"""A running average of weights: what is saved in place of the last, noisier ones."""

from __future__ import annotations

import torch
from torch import nn


class Average:
    """The exponential average of one or more modules' parameters; `decay` is reached after a short warm-up."""

    def __init__(self, *modules: nn.Module, decay: float) -> None:
        self._live = [p for module in modules for p in module.parameters()]
        self.mean = [p.detach().clone() for p in self._live]
        self._decay, self.updates = decay, 0

    @torch.no_grad()
    def update(self) -> None:
        """Moves the average towards the live weights."""
        self.updates += 1
        decay = min(self._decay, (1 + self.updates) / (10 + self.updates))
        torch._foreach_lerp_(self.mean, [p.detach() for p in self._live], 1 - decay)

    @torch.no_grad()
    def swap(self) -> None:
        """Exchanges average and live weights; a second call undoes the first."""
        for live, mean in zip(self._live, self.mean, strict=True):
            kept = live.detach().clone()
            live.copy_(mean)
            mean.copy_(kept)
