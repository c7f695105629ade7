"""Prodigy on flat groups: prodigyopt's arithmetic, without a host sync, in two passes over the numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

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
    # of the first numbers; those beyond it began as 0, as `up` does, and need no memory. In bf16 where that is exact
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
        self._corrected: torch.Tensor | None = None  # the bias correction of the step to come, once it was asked for
        self._betas = torch.tensor((self._set.beta1, self._set.beta2, self._beta3), device=device)
        self._moments = {group.name: self._start(group) for group in groups}
        self._kernels = kernels_for(device)

    def _start(self, group: FlatGroup) -> _Moments:
        index = group.sliced(self._set.slice_p)
        p0 = group.data if index is None else group.data[index]
        zeros = torch.zeros_like(group.data)
        return _Moments(zeros, zeros.clone(), torch.zeros_like(p0), _begun(p0), index)

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
        if self._corrected is None:
            k = self._taken + 1
            if self._set.bias_correction:
                square, mean = (1 - torch.pow(beta, k) for beta in (self._set.beta2, self._set.beta1))
                self._corrected = square.sqrt() / mean
            else:
                self._corrected = torch.ones_like(k)
        return self._corrected

    def _taken_one(self, on: torch.Tensor) -> None:
        self._taken += on
        self._corrected = None

    @torch.no_grad()
    def step(self, factor: float, applied: torch.Tensor | None = None) -> None:
        """One step of all groups. A rate of 0 moves nothing, the estimate included."""
        lr, d = self._highest * factor, self._d
        on = torch.ones_like(d) if applied is None else applied.to(d.dtype)
        if lr == 0.0:
            self._taken_one(on)
            return
        moves = on > 0
        kept = torch.where(moves, self._betas, 1.0)
        scale, dlr = d / self._set.d0, d * (lr * self._correction())
        top, bottom = self._numerator * self._beta3, torch.zeros_like(d)
        for group in self.groups:
            more, weight = self._accumulate(group, d, dlr, scale, on, kept)
            top, bottom = top + more, bottom + weight
        # without any gradient yet, nothing is known: d and its numerator stay as they were
        known = (bottom > 0) & moves
        hat = self._set.d_coef * top / torch.where(known, bottom, torch.ones_like(bottom))
        grown = torch.where(d == self._set.d0, torch.maximum(d, hat), d)
        largest = torch.maximum(self._d_max, hat)
        self._numerator = torch.where(known, top, self._numerator)
        self._d_max = torch.where(known, largest, self._d_max)
        self._d = torch.where(known, torch.minimum(largest, grown * self._set.growth_rate), d)
        for group in self.groups:
            self._move(group, self._shared(dlr * on, group))
        self._taken_one(on)

    def _accumulate(
        self,
        group: FlatGroup,
        d: torch.Tensor,
        dlr: torch.Tensor,
        scale: torch.Tensor,
        on: torch.Tensor,
        kept: torch.Tensor,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Update the moments; returns this group's part of the numerator and the denominator.

        Where `on` is 0 every moment is kept whole, by `kept` all ones, and gets nothing: no number of them changes.
        """
        own, beta1, beta2 = self._moments[group.name], self._set.beta1, self._set.beta2
        keep1, keep2, keep3 = kept.unbind()
        small, far = (d * on).float(), scale * dlr
        weight = self._shared(scale * (d if self._set.safeguard_warmup else dlr) * on, group).float()
        if self._by_kernels(group):
            scalars = (keep1, small * (1 - beta1), keep2, small * small * (1 - beta2), keep3, weight)
            moments = (own.mean, own.square, own.s, own.p0)
            more, total = self._kernels.accumulate(group.grad, group.data, *moments, _together(*scalars))
            return far * more, total
        more, total = torch.zeros_like(d), torch.zeros_like(d)
        for place in _pieces(group):
            grad, data, mean, square = (one[place] for one in (group.grad, group.data, own.mean, own.square))
            if group.weight_decay and not self._set.decouple:
                grad.add_(data, alpha=group.weight_decay)
            mean.mul_(keep1).add_(grad * (small * (1 - beta1)))
            square.mul_(keep2).add_(grad.square() * (small * small * (1 - beta2)))
            if own.index is None:
                s = own.s[place].mul_(keep3).add_(grad * weight)
                more += torch.dot(grad.double(), _from_start(own.p0[place], data).double())
                total += s.abs().sum(dtype=torch.float64)
        if own.index is not None:
            part = group.grad[own.index]
            own.s.mul_(keep3).add_(part * weight)
            more += torch.dot(part.double(), _from_start(own.p0, group.data[own.index]).double())
            total += own.s.abs().sum(dtype=torch.float64)
        return far * more, total

    def _move(self, group: FlatGroup, dlr: torch.Tensor) -> None:
        own, rate, least = self._moments[group.name], dlr.float(), (self._d * self.EPS).float()
        if self._by_kernels(group):
            self._kernels.move(group.data, own.mean, own.square, _together(rate, least, rate * group.weight_decay))
            return
        for place in _pieces(group):
            data, mean = group.data[place], own.mean[place]
            spread = own.square[place].sqrt().add_(least)
            if group.weight_decay and self._set.decouple:
                data.sub_(data * (rate * group.weight_decay))
            upward = mean if self._set.beta1 > 0 else group.grad[place] * self._d.float()
            data.sub_((upward / spread).mul_(rate))

    def _by_kernels(self, group: FlatGroup) -> bool:
        """Whether a group goes through the kernels, which know Prodigy as it is usually set."""
        usual = self._set.beta1 > 0 and self._set.slice_p == 1
        return self._kernels is not None and usual and (self._set.decouple or not group.weight_decay)

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
        self._taken, self._corrected = tensors["taken"].to(self._d), None
        groups = {group.name: group for group in self.groups}
        for name, own in self._moments.items():
            for part in ("mean", "square", "s", "p0"):
                saved, live = tensors[f"{name}.{part}"], getattr(own, part)
                every = self._set.slice_p if part in ("s", "p0") else 1
                saved = saved if "layout" in tensors else groups[name].reordered(saved, every)
                if part == "p0":  # older checkpoints have its zeros too
                    own.p0 = _begun(saved.to(device))
                else:
                    live.copy_(saved)


@cache
def kernels_for(device: torch.device) -> Any:
    """The passes as kernels, where there is a GPU, Triton, and they do what torch does; else None."""
    if device.type != "cuda":
        return None
    try:
        from trainer.step import prodigy_kernels

        return prodigy_kernels if agree(prodigy_kernels, device) else None
    except Exception as error:  # Triton compiles with the machine's own tools, which fail in many ways
        print(f"Prodigy is computed by torch alone: {str(error).partition(chr(10))[0]}", flush=True)
        return None


@torch.no_grad()
def agree(kernels: Any, device: torch.device) -> bool:
    """Whether the kernels do on made-up numbers what the rest of this module does, to 1e-6."""
    made = torch.Generator().manual_seed(0)
    grad, data, mean, square, s = (torch.randn(5000, generator=made).to(device) for _ in range(5))
    p0, kept, least, rate, decay = (data[:3000] * 1.5).bfloat16(), (0.9, 0.1, 0.99, 0.01, 0.995, 0.3), 1e-8, 1e-2, 1e-4
    square.square_()
    m, v, t = mean * 0.9 + grad * 0.1, square * 0.99 + grad.square() * 0.01, s * 0.995 + grad * 0.3
    meant = torch.dot(grad.double(), _from_start(p0, data).double()), t.abs().sum(dtype=torch.float64)
    moved = data - data * decay
    moved = moved - m / (v.sqrt() + least) * rate
    found = kernels.accumulate(grad, data, mean, square, s, p0, torch.tensor(kept, device=device))
    kernels.move(data, mean, square, torch.tensor((rate, least, decay), device=device))
    pairs = zip((mean, square, s, data, *found), (m, v, t, moved, *meant), strict=True)
    return all(torch.allclose(one, other, rtol=1e-6, atol=1e-6) for one, other in pairs)


def _together(*values: torch.Tensor) -> torch.Tensor:
    return torch.stack([one.float() for one in values])


def _begun(p0: torch.Tensor) -> torch.Tensor:
    """A copy of what numbers began as, without the zeros at the end; in bf16 where it has them all: a new LoRA's."""
    if type(p0) is not torch.Tensor:  # tensors that are only counted have no numbers
        return p0.clone()
    there = torch.nonzero(p0)
    own = p0[: int(there[-1]) + 1 if len(there) else 0]
    half = own.bfloat16()
    return half.clone() if torch.equal(half.to(own.dtype), own) else own.clone()


def _from_start(p0: torch.Tensor, data: torch.Tensor) -> torch.Tensor:
    """What `data` began as, less what it is; `p0` may be shorter, and what is beyond it began as 0."""
    if len(p0) == len(data):
        return p0 - data
    way = data.neg()
    way[: len(p0)] += p0
    return way
