"""The average of what is trained over the last part of a run, which is exported, shown and measured in its place."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch

from trainer.contract.settings.config import TrainConfig
from trainer.contract.settings.optimizers import OPTIMIZERS
from trainer.step.flat_group import FlatGroup
from trainer.step.packaged import OwnAverage, PackagedOptimizer

PIECE = 2**20  # numbers that change places at once: what a swap needs beside them is a few megabytes
SINCE = "average.since"


class WeightAverage:
    """An exponential moving average of each flat group, in fp32, beside the numbers that are trained.

    With h = `train.ema` times the steps of the run and b = 1 - 1/h, step k of the average moves it by
    (1 - b) / (1 - b**k) of the way to the trained numbers: after it, that is the sum of b**(k - i) * p_i over
    i = 1..k, divided by the sum of b**(k - i). It is the bias-corrected average of Adam (Kingma & Ba 2015, section 3),
    of the parameters in place of the gradients: the start of the run has no more weight than any other step.
    """

    def __init__(self, groups: Sequence[FlatGroup], config: TrainConfig) -> None:
        self._keep = 1 - 1 / max(1.0, config.train.ema * config.train.steps)
        self._since = 0  # the step after which it began
        self._groups = {group.name: group for group in groups}
        self._means = {group.name: group.data.clone() for group in groups}

    @torch.no_grad()
    def update(self, step: int, applied: torch.Tensor) -> None:
        """After step number `step`; where `applied`, a 0-d bool, is false nothing moves."""
        weight = applied * ((1 - self._keep) / (1 - self._keep ** (step - self._since)))
        for name, mean in self._means.items():
            mean.lerp_(self._groups[name].data, weight)

    def tensors(self) -> dict[str, torch.Tensor]:
        """The average of every parameter, by its name in the group."""
        return {
            name: self._means[group.name][place].view_as(one)
            for group in self._groups.values()
            for name, one, place in zip(group.names, group.parameters, group.places(), strict=True)
        }

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """The modules hold the average for as long as this lasts."""
        self._swap()
        try:
            yield
        finally:
            self._swap()

    @torch.no_grad()
    def _swap(self) -> None:
        for name, mean in self._means.items():
            for live, other in zip(self._groups[name].data.split(PIECE), mean.split(PIECE), strict=True):
                kept = live.clone()
                live.copy_(other)
                other.copy_(kept)

    @torch.no_grad()
    def freeze(self, name: str) -> None:
        """End with a group: it holds its average from here on."""
        self._groups.pop(name).data.copy_(self._means.pop(name))

    def state_tensors(self) -> dict[str, torch.Tensor]:
        """What resuming needs beside the average."""
        return {SINCE: torch.tensor(self._since)}

    @torch.no_grad()
    def restore(self, step: int, state: dict[str, torch.Tensor]) -> None:
        """Go on from a checkpoint of `step` whose average the modules hold; without its state begin anew there."""
        self._since = int(state.get(SINCE, torch.tensor(step)))
        for name, mean in self._means.items():
            mean.copy_(self._groups[name].data)


Average = WeightAverage | OwnAverage


def make_average(groups: Sequence[FlatGroup], optimizer: object, config: TrainConfig) -> Average | None:
    """The optimizer's own where it keeps one, else that of `train.ema`; None where that is 0."""
    if isinstance(optimizer, PackagedOptimizer) and OPTIMIZERS[config.train.optimizer].averages:
        return OwnAverage(optimizer)
    return WeightAverage(groups, config) if config.train.ema else None
