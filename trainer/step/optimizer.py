"""The optimizers on flat groups, the schedule of the rate, and what there is to log about them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Protocol

import torch

from trainer.contract.settings.config import TrainConfig
from trainer.contract.settings.optimizers import OPTIMIZERS
from trainer.step.flat_group import LAYOUT, FlatGroup, Rates
from trainer.step.packaged import NoOptimizer, PackagedOptimizer, drop_set
from trainer.step.prodigy import FlatProdigy
from trainer.step.split_prodigy import SplitProdigy


class Optimizer(Protocol):
    """What the loop asks of an optimizer."""

    groups: list[FlatGroup]

    waits: bool  # whether it has to know on the host whether a step is applied

    def estimate(self) -> tuple[torch.Tensor, ...]:
        """What `rates` wants to know of the device before the step, 0-d float64 tensors; none where it is nothing."""

    def step(self, factor: float, applied: torch.Tensor | None = None) -> None:
        """Apply the gradients at `factor` times the rate; where `applied`, a 0-d bool, is false, change nothing.

        The gradients must be finite then too.
        """

    def rates(self, factor: float, estimate: Sequence[float]) -> Rates:
        """lr, d and the effective rate of each group for the step about to be taken, of which `estimate` was read."""

    def freeze(self, name: str) -> None:
        """Take a group out for good: neither moved nor counted from here on."""

    def state_tensors(self) -> dict[str, torch.Tensor]:
        """Everything that an exact resume needs."""

    def load_tensors(self, tensors: dict[str, torch.Tensor]) -> None:
        """Go on from `state_tensors`."""


class FlatAdamW:
    """torch's AdamW, its buffers being the flat groups, each taken in one pass by torch's fused kernel."""

    waits = False

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
        return torch.optim.AdamW(sets, fused=True, **own)

    def estimate(self) -> tuple[torch.Tensor, ...]:
        """AdamW estimates nothing."""
        return ()

    def rates(self, factor: float, estimate: Sequence[float]) -> Rates:
        """The effective rate is the rate."""
        return {
            group.name: {"lr": group.lr * factor, "d": None, "effective": group.lr * factor} for group in self.groups
        }

    def step(self, factor: float, applied: torch.Tensor | None = None) -> None:
        """One step of all groups."""
        for group, settings in zip(self.groups, self._inner.param_groups, strict=True):
            settings["lr"] = group.lr * factor
        self._take(applied)

    def _take(self, applied: torch.Tensor | None) -> None:
        # the word of torch's GradScaler, which the fused kernel reads on the device
        self._inner.found_inf = None if applied is None else (~applied).float()  # type: ignore[attr-defined]
        self._inner.step()

    def freeze(self, name: str) -> None:
        """Take a group out and forget its moments."""
        drop_set(self._inner, name)
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
                    self._step_count(value, flat) if key == "step" else value.to(flat.device, copy=True)
                )

    def _reordered(self, group: FlatGroup, saved: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        return {key: group.reordered(one) if one.numel() == group.data.numel() else one for key, one in saved.items()}

    def _step_count(self, saved: torch.Tensor, flat: torch.Tensor) -> Any:
        return saved.to(flat.device, copy=True)


BLOCK = 256  # numbers of bitsandbytes' moments that share a scale


class FlatAdamW8bit(FlatAdamW):
    """bitsandbytes' AdamW: moments in bytes, in blocks of 256 numbers, on the flat groups.

    It cannot pass over a step on the device, so the host waits to know.
    """

    waits = True

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

    def _take(self, applied: torch.Tensor | None) -> None:
        if applied is None or bool(applied):
            self._inner.step()

    def _step_count(self, saved: torch.Tensor, flat: torch.Tensor) -> Any:
        return int(saved)


def make_optimizer(groups: list[FlatGroup], config: TrainConfig) -> Optimizer:
    """The optimizer of the settings."""
    match config.train.optimizer:
        case "prodigy" if config.prodigy.split_groups and len(groups) > 1:
            return SplitProdigy(groups, config)
        case "prodigy":
            return FlatProdigy(groups, config)
        case "adamw":
            return FlatAdamW(groups, config)
        case "adamw-8bit":
            return FlatAdamW8bit(groups, config)
        case _:
            return PackagedOptimizer(groups, config)


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
