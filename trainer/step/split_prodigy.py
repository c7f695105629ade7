"""Prodigy with an estimate of its own for each group: one Prodigy a group, and nothing shared between them."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from trainer.contract.settings.config import TrainConfig
from trainer.step.flat_group import FlatGroup, Rates
from trainer.step.prodigy import FlatProdigy


class SplitProdigy:
    """d of the unet comes from the unet's numbers, d of the words from theirs.

    Shared, the words' few thousand numbers step at a rate that the unet's tens of millions decide.
    """

    waits = False

    def __init__(self, groups: list[FlatGroup], config: TrainConfig) -> None:
        self.groups = groups
        self._each = {group.name: FlatProdigy([group], config) for group in groups}

    def estimate(self) -> tuple[torch.Tensor, ...]:
        """Those of each group, in the order of the groups."""
        return tuple(one for own in self._each.values() for one in own.estimate())

    def rates(self, factor: float, estimate: Sequence[float]) -> Rates:
        """Those of each group by its own estimate."""
        found: Rates = {}
        size = len(estimate) // len(self._each)
        for place, own in enumerate(self._each.values()):
            found |= own.rates(factor, estimate[place * size : (place + 1) * size])
        return found

    def step(self, factor: float, applied: torch.Tensor | None = None) -> None:
        """One step of each."""
        for own in self._each.values():
            own.step(factor, applied)

    def freeze(self, name: str) -> None:
        """Forget a group."""
        self._each.pop(name)
        self.groups = [group for group in self.groups if group.name != name]

    def state_tensors(self) -> dict[str, torch.Tensor]:
        """That of each group, under its name."""
        return {
            f"{name}/{key}": value for name, own in self._each.items() for key, value in own.state_tensors().items()
        }

    def load_tensors(self, tensors: dict[str, torch.Tensor]) -> None:
        """Go on from `state_tensors`; raises KeyError if a group is missing."""
        for name, own in self._each.items():
            start = f"{name}/"
            own.load_tensors({key.removeprefix(start): one for key, one in tensors.items() if key.startswith(start)})
