"""Prodigy and AdamW on flat groups, the schedule of the rate, and what there is to log about them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Protocol

import torch

from trainer.contract.settings.config import TrainConfig
from trainer.contract.settings.optimizers import OPTIMIZERS
from trainer.step.flat_group import FlatGroup


class NoOptimizer(ValueError):
    """The optimizer of the settings cannot be had on this machine."""


Rates = dict[str, dict[str, float | None]]

# of the numbers in a flat buffer; a checkpoint of before has no word of it, and the order of FlatGroup.declared
LAYOUT = 1


class Optimizer(Protocol):
    """What the loop asks of an optimizer."""

    groups: list[FlatGroup]

    def estimate(self) -> torch.Tensor | None:
        """Prodigy's d as it stands before the step, a 0-d tensor on the device; None where there is none."""

    def step(self, factor: float) -> None:
        """Apply the gradients at `factor` times the rate."""

    def rates(self, factor: float, d: float | None) -> Rates:
        """lr, d and the effective rate of each group for the step about to be taken."""

    def freeze(self, name: str) -> None:
        """Take a group out for good: neither moved nor counted from here on."""

    def state_tensors(self) -> dict[str, torch.Tensor]:
        """Everything that an exact resume needs."""

    def load_tensors(self, tensors: dict[str, torch.Tensor]) -> None:
        """Go on from `state_tensors`."""


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

    def __init__(self, groups: list[FlatGroup], config: TrainConfig) -> None:
        self.groups = groups
        # of the groups that the run began with: the estimate keeps its unit when one leaves at the pivot
        self._highest = max(group.lr for group in groups)
        self._set = config.prodigy
        self._beta3 = self._set.beta3 or math.sqrt(self._set.beta2)
        device = groups[0].data.device
        first = torch.tensor(self._set.d0, dtype=torch.float64, device=device)
        self._d, self._d_max, self._numerator = first, first.clone(), torch.zeros_like(first)
        self._taken = 0
        self._moments = {group.name: self._start(group) for group in groups}

    def _start(self, group: FlatGroup) -> _Moments:
        index = group.sliced(self._set.slice_p)
        p0 = group.data.clone() if index is None else group.data[index]
        zeros = torch.zeros_like(group.data)
        return _Moments(zeros, zeros.clone(), torch.zeros_like(p0), p0, index)

    def estimate(self) -> torch.Tensor | None:
        """d before the step."""
        return self._d

    def rates(self, factor: float, d: float | None) -> Rates:
        """The effective rate of a group is d * lr * bias correction: the one of the step about to be taken."""
        found: Rates = {}
        for group in self.groups:
            lr = group.lr * factor
            found[group.name] = {"lr": lr, "d": d, "effective": None if d is None else d * lr * self._correction()}
        return found

    def _shared(self, value: torch.Tensor, group: FlatGroup) -> torch.Tensor:
        """What is meant for the highest rate, at the rate of `group`."""
        return value if group.lr == self._highest else value * (group.lr / self._highest)

    def _correction(self) -> float:
        if not self._set.bias_correction:
            return 1.0
        k = self._taken + 1
        return math.sqrt(1 - self._set.beta2**k) / (1 - self._set.beta1**k)

    @torch.no_grad()
    def step(self, factor: float) -> None:
        """One step of all groups. A rate of 0 moves nothing, the estimate included."""
        lr = self._highest * factor
        if lr == 0.0:
            self._taken += 1
            return
        d, scale = self._d, self._d / self._set.d0
        dlr = d * (lr * self._correction())
        top, bottom = self._numerator * self._beta3, torch.zeros_like(d)
        for group in self.groups:
            more, weight = self._accumulate(group, d, dlr, scale)
            top, bottom = top + more, bottom + weight
        # without any gradient yet, nothing is known: d and its numerator stay as they were
        known = bottom > 0
        hat = self._set.d_coef * top / torch.where(known, bottom, torch.ones_like(bottom))
        grown = torch.where(d == self._set.d0, torch.maximum(d, hat), d)
        largest = torch.maximum(self._d_max, hat)
        self._numerator = torch.where(known, top, self._numerator)
        self._d_max = torch.where(known, largest, self._d_max)
        self._d = torch.where(known, torch.minimum(largest, grown * self._set.growth_rate), d)
        for group in self.groups:
            self._move(group, self._shared(dlr, group))
        self._taken += 1

    def _accumulate(
        self, group: FlatGroup, d: torch.Tensor, dlr: torch.Tensor, scale: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Update the moments; returns this group's part of the numerator and the denominator."""
        own, beta1, beta2 = self._moments[group.name], self._set.beta1, self._set.beta2
        grad = group.grad
        if group.weight_decay and not self._set.decouple:
            grad.add_(group.data, alpha=group.weight_decay)
        part, now = (grad, group.data) if own.index is None else (grad[own.index], group.data[own.index])
        more = scale * dlr * torch.dot(part.double(), (own.p0 - now).double())
        small = d.float()
        own.mean.mul_(beta1).add_(grad * (small * (1 - beta1)))
        own.square.mul_(beta2).add_(grad.square() * (small * small * (1 - beta2)))
        weight = self._shared(scale * (d if self._set.safeguard_warmup else dlr), group)
        own.s.mul_(self._beta3).add_(part * weight.float())
        return more, own.s.abs().sum(dtype=torch.float64)

    def _move(self, group: FlatGroup, dlr: torch.Tensor) -> None:
        own, rate = self._moments[group.name], dlr.float()
        spread = own.square.sqrt().add_((self._d * self.EPS).float())
        if group.weight_decay and self._set.decouple:
            group.data.sub_(group.data * (rate * group.weight_decay))
        upward = own.mean if self._set.beta1 > 0 else group.grad * self._d.float()
        group.data.sub_(upward / spread * rate)

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
            "taken": torch.tensor(self._taken),
            "layout": torch.tensor(LAYOUT),
        }
        for name, own in self._moments.items():
            state |= {f"{name}.mean": own.mean, f"{name}.square": own.square, f"{name}.s": own.s, f"{name}.p0": own.p0}
        return state

    def load_tensors(self, tensors: dict[str, torch.Tensor]) -> None:
        """Go on from `state_tensors`; raises KeyError if a group is missing."""
        device = self._d.device
        self._d, self._d_max, self._numerator = (tensors[name].to(device) for name in ("d", "d_max", "numerator"))
        self._taken = int(tensors["taken"])
        groups = {group.name: group for group in self.groups}
        for name, own in self._moments.items():
            for part in ("mean", "square", "s", "p0"):
                saved, live = tensors[f"{name}.{part}"], getattr(own, part)
                every = self._set.slice_p if part in ("s", "p0") else 1
                live.copy_(saved if "layout" in tensors else groups[name].reordered(saved, every))


class FlatAdamW:
    """torch's AdamW, its buffers being the flat groups."""

    def __init__(self, groups: list[FlatGroup], config: TrainConfig) -> None:
        self.groups = groups
        own = config.adamw
        sets: list[dict[str, Any]] = []
        for group in groups:
            flat = torch.nn.Parameter(group.data)
            flat.grad = group.grad
            sets.append({"params": [flat], "lr": group.lr, "weight_decay": group.weight_decay, "name": group.name})
        self._inner = self._make(sets, betas=(own.beta1, own.beta2), eps=own.epsilon)

    def _make(self, sets: list[dict[str, Any]], **own: Any) -> torch.optim.Optimizer:
        return torch.optim.AdamW(sets, **own)

    def estimate(self) -> torch.Tensor | None:
        """AdamW estimates nothing."""
        return None

    def rates(self, factor: float, d: float | None) -> Rates:
        """The effective rate is the rate."""
        return {
            group.name: {"lr": group.lr * factor, "d": None, "effective": group.lr * factor} for group in self.groups
        }

    def step(self, factor: float) -> None:
        """One step of all groups."""
        for group, settings in zip(self.groups, self._inner.param_groups, strict=True):
            settings["lr"] = group.lr * factor
        self._inner.step()

    def freeze(self, name: str) -> None:
        """Take a group out and forget its moments."""
        kept = [group["name"] != name for group in self._inner.param_groups]
        for group, keep in zip(self._inner.param_groups, kept, strict=True):
            if not keep:
                self._inner.state.pop(group["params"][0], None)
        self._inner.param_groups = [g for g, keep in zip(self._inner.param_groups, kept, strict=True) if keep]
        self.groups = [group for group in self.groups if group.name != name]

    def state_tensors(self) -> dict[str, torch.Tensor]:
        """Two moments and a count for each group."""
        state = {"layout": torch.tensor(LAYOUT)}
        for group in self._inner.param_groups:
            for key, value in self._inner.state.get(group["params"][0], {}).items():
                state[f"{group['name']}.{key}"] = torch.as_tensor(value)
        return state

    def load_tensors(self, tensors: dict[str, torch.Tensor]) -> None:
        """Go on from `state_tensors`."""
        groups = {group.name: group for group in self.groups}
        for group in self._inner.param_groups:
            flat = group["params"][0]
            own = {
                key.rpartition(".")[2]: value for key, value in tensors.items() if key.startswith(group["name"] + ".")
            }
            if "layout" not in tensors:
                own = self._reordered(groups[group["name"]], own)
            for key, value in own.items():
                self._inner.state[flat][key] = (
                    self._step_count(value) if key == "step" else value.to(flat.device, copy=True)
                )

    def _reordered(self, group: FlatGroup, saved: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        return {key: group.reordered(one) if one.numel() == group.data.numel() else one for key, one in saved.items()}

    def _step_count(self, saved: torch.Tensor) -> Any:
        return saved.clone()


BLOCK = 256  # numbers of bitsandbytes' moments that share a scale


class FlatAdamW8bit(FlatAdamW):
    """bitsandbytes' AdamW: moments in bytes, in blocks of 256 numbers, on the flat groups."""

    def _make(self, sets: list[dict[str, Any]], **own: Any) -> torch.optim.Optimizer:
        try:
            from bitsandbytes.optim import AdamW8bit
        except Exception as error:  # its native part fails in many ways where it does not fit the machine
            raise NoOptimizer(
                f"train.optimizer is adamw-8bit, and bitsandbytes cannot be used here ({error}): "
                f"{OPTIMIZERS['adamw-8bit'].remedy}"
            ) from error
        inner: torch.optim.Optimizer = AdamW8bit(sets, **own)
        return inner

    def _reordered(self, group: FlatGroup, saved: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """A block of 256 numbers shares a scale: they are read, put in order, and rounded again, as each step does."""
        from bitsandbytes.functional import dequantize_blockwise, quantize_blockwise

        found = super()._reordered(group, {key: one for key, one in saved.items() if one.dtype != torch.uint8})
        for place in ("1", "2"):
            codes = saved.get(f"state{place}")
            if codes is not None and codes.dtype == torch.uint8:
                scales, values = saved[f"absmax{place}"], saved[f"qmap{place}"]
                whole = dequantize_blockwise(codes, absmax=scales, code=values, blocksize=BLOCK)
                again, state = quantize_blockwise(group.reordered(whole), code=values, blocksize=BLOCK)
                found |= {f"state{place}": again, f"absmax{place}": state.absmax}
        return found

    def _step_count(self, saved: torch.Tensor) -> Any:
        return int(saved)


def make_optimizer(groups: list[FlatGroup], config: TrainConfig) -> Optimizer:
    """The optimizer of the settings."""
    match config.train.optimizer:
        case "prodigy":
            return FlatProdigy(groups, config)
        case "adamw":
            return FlatAdamW(groups, config)
        case "adamw-8bit":
            return FlatAdamW8bit(groups, config)


def rate_factor(config: TrainConfig, step: int) -> float:
    """What the rate is multiplied with at `step` (from 1): the warm-up, then the schedule to 0 at the end."""
    train = config.train
    if step <= train.warmup_steps:
        return step / (train.warmup_steps + 1)
    part = (step - 1 - train.warmup_steps) / max(1, train.steps - train.warmup_steps)
    match train.schedule:
        case "constant":
            return 1.0
        case "linear":
            return 1.0 - part
        case "cosine":
            return 0.5 * (1.0 + math.cos(math.pi * part))
        case "cosine-with-restarts":
            return 0.5 * (1.0 + math.cos(math.pi * (train.schedule_cycles * part % 1.0)))
        case "polynomial":
            return (1.0 - part) ** train.schedule_power
