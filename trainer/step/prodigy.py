"""Prodigy on flat groups: prodigyopt's arithmetic, without a host sync, in two passes over the numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from trainer.contract.settings.config import TrainConfig
from trainer.step.flat_group import LAYOUT, FlatGroup, Rates

# numbers of a group that a processor takes through a whole pass at once: what they need stays in its cache, and the
# scratch of a step is a few megabytes however large the LoRA is. A GPU takes all of them in one launch.
PIECE = 2**17


def _pieces(group: FlatGroup) -> list[slice]:
    size, step = group.data.numel(), PIECE if group.data.device.type == "cpu" else group.data.numel()
    return [slice(at, min(at + step, size)) for at in range(0, size, step)]


@dataclass
class _Moments:
    mean: torch.Tensor
    square: torch.Tensor
    s: torch.Tensor
    p0: torch.Tensor
    index: torch.Tensor | None  # every slice_p-th number, or None for all


class FlatProdigy:
    """Prodigy (Mishchenko & Defazio 2023) with prodigyopt's arithmetic, on one buffer a group, without host syncs.

    d, its largest value and its numerator are float64 on the device; the dot product and the sum behind them are
    accumulated in float64 too: in float32, over 46 M numbers, they were 4 % off.

    The groups share d, and each steps at its own rate times d, where prodigyopt refuses unequal rates. A group at the
    share m of the highest rate is moved as prodigyopt moves its numbers divided by m: its steps and its decay are m
    times theirs, and so are the gradients that the estimate is divided by.
    """

    EPS = 1e-8
    waits = False

    def __init__(self, groups: list[FlatGroup], config: TrainConfig) -> None:
        self.groups = groups
        # of the groups that the run began with: the estimate keeps its unit when one leaves at the pivot
        self._highest = max(group.lr for group in groups)
        self._set = config.prodigy
        self._beta3 = self._set.beta3 or math.sqrt(self._set.beta2)
        device = groups[0].data.device
        first = torch.tensor(self._set.d0, dtype=torch.float64, device=device)
        self._d, self._d_max, self._numerator = first, first.clone(), torch.zeros_like(first)
        self._taken = torch.zeros_like(first)
        self._moments = {group.name: self._start(group) for group in groups}

    def _start(self, group: FlatGroup) -> _Moments:
        index = group.sliced(self._set.slice_p)
        p0 = group.data.clone() if index is None else group.data[index]
        zeros = torch.zeros_like(group.data)
        return _Moments(zeros, zeros.clone(), torch.zeros_like(p0), p0, index)

    def estimate(self) -> tuple[torch.Tensor, ...]:
        """d before the step, and the bias correction of the step."""
        return self._d, self._correction()

    def rates(self, factor: float, estimate: Sequence[float]) -> Rates:
        """The effective rate of a group is d * lr * bias correction: the one of the step about to be taken."""
        d, correction = estimate
        found: Rates = {}
        for group in self.groups:
            lr = group.lr * factor
            found[group.name] = {"lr": lr, "d": d, "effective": d * lr * correction}
        return found

    def _shared(self, value: torch.Tensor, group: FlatGroup) -> torch.Tensor:
        """What is meant for the highest rate, at the rate of `group`."""
        return value if group.lr == self._highest else value * (group.lr / self._highest)

    def _correction(self) -> torch.Tensor:
        k = self._taken + 1
        if not self._set.bias_correction:
            return torch.ones_like(k)
        return (1 - torch.pow(self._set.beta2, k)).sqrt() / (1 - torch.pow(self._set.beta1, k))

    @torch.no_grad()
    def step(self, factor: float, applied: torch.Tensor | None = None) -> None:
        """One step of all groups. A rate of 0 moves nothing, the estimate included."""
        lr, d = self._highest * factor, self._d
        on = torch.ones_like(d) if applied is None else applied.to(d.dtype)
        if lr == 0.0:
            self._taken += on
            return
        scale, dlr = d / self._set.d0, d * (lr * self._correction())
        top, bottom = self._numerator * self._beta3, torch.zeros_like(d)
        for group in self.groups:
            more, weight = self._accumulate(group, d, dlr, scale, on)
            top, bottom = top + more, bottom + weight
        # without any gradient yet, nothing is known: d and its numerator stay as they were
        known = (bottom > 0) & (on > 0)
        hat = self._set.d_coef * top / torch.where(known, bottom, torch.ones_like(bottom))
        grown = torch.where(d == self._set.d0, torch.maximum(d, hat), d)
        largest = torch.maximum(self._d_max, hat)
        self._numerator = torch.where(known, top, self._numerator)
        self._d_max = torch.where(known, largest, self._d_max)
        self._d = torch.where(known, torch.minimum(largest, grown * self._set.growth_rate), d)
        for group in self.groups:
            self._move(group, self._shared(dlr * on, group))
        self._taken += on

    def _accumulate(
        self, group: FlatGroup, d: torch.Tensor, dlr: torch.Tensor, scale: torch.Tensor, on: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Update the moments; returns this group's part of the numerator and the denominator.

        Where `on` is 0 every moment is kept whole and gets nothing: no number of them changes.
        """
        own, beta1, beta2 = self._moments[group.name], self._set.beta1, self._set.beta2
        keep1, keep2, keep3 = (torch.where(on > 0, one, 1.0) for one in (beta1, beta2, self._beta3))
        small, far = (d * on).float(), scale * dlr
        weight = self._shared(scale * (d if self._set.safeguard_warmup else dlr) * on, group).float()
        more, total = torch.zeros_like(d), torch.zeros_like(d)
        for place in _pieces(group):
            grad, data, mean, square = (one[place] for one in (group.grad, group.data, own.mean, own.square))
            if group.weight_decay and not self._set.decouple:
                grad.add_(data, alpha=group.weight_decay)
            mean.mul_(keep1).add_(grad * (small * (1 - beta1)))
            square.mul_(keep2).add_(grad.square() * (small * small * (1 - beta2)))
            if own.index is None:
                s = own.s[place].mul_(keep3).add_(grad * weight)
                more += torch.dot(grad.double(), (own.p0[place] - data).double())
                total += s.abs().sum(dtype=torch.float64)
        if own.index is not None:
            part = group.grad[own.index]
            own.s.mul_(keep3).add_(part * weight)
            more += torch.dot(part.double(), (own.p0 - group.data[own.index]).double())
            total += own.s.abs().sum(dtype=torch.float64)
        return far * more, total

    def _move(self, group: FlatGroup, dlr: torch.Tensor) -> None:
        own, rate, least = self._moments[group.name], dlr.float(), (self._d * self.EPS).float()
        for place in _pieces(group):
            data, mean = group.data[place], own.mean[place]
            spread = own.square[place].sqrt().add_(least)
            if group.weight_decay and self._set.decouple:
                data.sub_(data * (rate * group.weight_decay))
            upward = mean if self._set.beta1 > 0 else group.grad[place] * self._d.float()
            data.sub_((upward / spread).mul_(rate))

    def freeze(self, name: str) -> None:
        """Forget a group: its moments are freed and its part of the estimate ends."""
        self.groups = [group for group in self.groups if group.name != name]
        self._moments.pop(name, None)

    def state_tensors(self) -> dict[str, torch.Tensor]:
        """d and its companions, the count of steps, and four tensors a group."""
        state = {
            "d": self._d,
            "d_max": self._d_max,
            "numerator": self._numerator,
            "taken": self._taken.long(),
            "layout": torch.tensor(LAYOUT),
        }
        for name, own in self._moments.items():
            state |= {f"{name}.mean": own.mean, f"{name}.square": own.square, f"{name}.s": own.s, f"{name}.p0": own.p0}
        return state

    def load_tensors(self, tensors: dict[str, torch.Tensor]) -> None:
        """Go on from `state_tensors`; raises KeyError if a group is missing."""
        device = self._d.device
        self._d, self._d_max, self._numerator = (tensors[name].to(device) for name in ("d", "d_max", "numerator"))
        self._taken = tensors["taken"].to(self._d)
        groups = {group.name: group for group in self.groups}
        for name, own in self._moments.items():
            for part in ("mean", "square", "s", "p0"):
                saved, live = tensors[f"{name}.{part}"], getattr(own, part)
                every = self._set.slice_p if part in ("s", "p0") else 1
                live.copy_(saved if "layout" in tensors else groups[name].reordered(saved, every))
