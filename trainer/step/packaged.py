"""Optimizers of well-kept packages on the groups of a run, as their authors made them."""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch

from trainer.contract.documents.parsers import parse_json
from trainer.contract.settings.config import TrainConfig
from trainer.contract.settings.optimizers import OPTIMIZERS
from trainer.step.flat_group import FlatGroup, Rates

WORDS = "words"  # what of the package's state is no tensor, as JSON
Make = Callable[[list[dict[str, Any]], TrainConfig], torch.optim.Optimizer]


class NoOptimizer(ValueError):
    """The optimizer of the settings cannot be had on this machine."""


def _lion(sets: list[dict[str, Any]], config: TrainConfig) -> torch.optim.Optimizer:
    own = config.lion
    return _of("lion")(sets, betas=(own.beta1, own.beta2))


def _adafactor(sets: list[dict[str, Any]], config: TrainConfig) -> torch.optim.Optimizer:
    return torch.optim.Adafactor(sets)


def _came(sets: list[dict[str, Any]], config: TrainConfig) -> torch.optim.Optimizer:
    return _of("came")(sets, lr=1.0)  # each group has a rate of its own


def _schedule_free(sets: list[dict[str, Any]], config: TrainConfig) -> torch.optim.Optimizer:
    own = config.adamw
    return _of("adamw-schedule-free")(sets, betas=(own.beta1, own.beta2), eps=own.epsilon)


def _prodigy_plus(sets: list[dict[str, Any]], config: TrainConfig) -> torch.optim.Optimizer:
    own = config.prodigy
    return _of("prodigy-plus-schedule-free")(
        sets,
        betas=(own.beta1, own.beta2),
        beta3=own.beta3 or None,
        d0=own.d0,
        d_coef=own.d_coef,
        split_groups=own.split_groups,
    )


# how each is made, and whether it takes the matrices of a LoRA one by one: what it keeps depends on their shapes
MAKERS: dict[str, tuple[Make, bool]] = {
    "lion": (_lion, False),
    "adafactor": (_adafactor, True),
    "came": (_came, True),
    "adamw-schedule-free": (_schedule_free, False),
    "prodigy-plus-schedule-free": (_prodigy_plus, True),
}


def _of(name: str) -> Any:
    """The class of an optimizer. Raises NoOptimizer where its package cannot be imported."""
    facts = OPTIMIZERS[name]  # type: ignore[index]
    try:
        return getattr(importlib.import_module(facts.package), facts.made_by)
    except Exception as error:  # whatever a package raises at its import
        said = f"train.optimizer is {name}, and {facts.package} cannot be used here ({error}): {facts.remedy}"
        raise NoOptimizer(said) from error


def drop_set(inner: torch.optim.Optimizer, name: str) -> None:
    """Take the parameters called `name` out of an optimizer of torch's form, and forget what it keeps of them."""
    kept: list[dict[str, Any]] = []
    for group in inner.param_groups:
        if group["name"] != name:
            kept.append(group)
            continue
        for one in group["params"]:
            inner.state.pop(one, None)
    inner.param_groups = kept


class PackagedOptimizer:
    """One of MAKERS. Whether a step is applied the host has to know: none of them can pass over one on the device."""

    waits = True

    def __init__(self, groups: list[FlatGroup], config: TrainConfig) -> None:
        make, by_matrix = MAKERS[config.train.optimizer]
        self.groups = groups
        self._inner = make([self._set(group, by_matrix) for group in groups], config)
        self._finds_rate = bool(OPTIMIZERS[config.train.optimizer].finds_rate)
        if hasattr(self._inner, "train"):
            self._inner.train()

    def _set(self, group: FlatGroup, by_matrix: bool) -> dict[str, Any]:
        if by_matrix:
            parameters = list(group.parameters)
        else:
            flat = torch.nn.Parameter(group.data)
            flat.grad = group.grad
            parameters = [flat]
        return {"params": parameters, "lr": group.lr, "weight_decay": group.weight_decay, "name": group.name}

    def estimate(self) -> tuple[torch.Tensor, ...]:
        """d of each group, where the optimizer estimates one."""
        if not self._finds_rate:
            return ()
        return tuple(torch.tensor(float(group["d"]), dtype=torch.float64) for group in self._inner.param_groups)

    def rates(self, factor: float, estimate: Sequence[float]) -> Rates:
        """The rate, times d where there is one."""
        found: Rates = {}
        for place, group in enumerate(self.groups):
            lr, d = group.lr * factor, estimate[place] if self._finds_rate else None
            found[group.name] = {"lr": lr, "d": d, "effective": lr if d is None else lr * d}
        return found

    def step(self, factor: float, applied: torch.Tensor | None = None) -> None:
        """One step of all groups."""
        if applied is not None and not bool(applied):
            return
        for group, settings in zip(self.groups, self._inner.param_groups, strict=True):
            settings["lr"] = group.lr * factor
        self._inner.step()

    def freeze(self, name: str) -> None:
        """Take a group out and forget its state."""
        drop_set(self._inner, name)
        self.groups = [group for group in self.groups if group.name != name]

    def state_tensors(self) -> dict[str, torch.Tensor]:
        """The package's tensors by group (or parameter) and name, and all else that it keeps as JSON in bytes."""
        told = self._inner.state_dict()
        tensors: dict[str, torch.Tensor] = {}

        def plain(own: dict[str, Any], start: str) -> dict[str, Any]:
            tensors.update({f"{start}.{key}": one for key, one in own.items() if torch.is_tensor(one)})
            return {key: one for key, one in own.items() if not torch.is_tensor(one) and key != "params"}

        words = {
            "state": {str(number): plain(own, f"state.{number}") for number, own in told["state"].items()},
            "groups": [plain(own, f"group.{own['name']}") for own in told["param_groups"]],
        }
        text = json.dumps(words, sort_keys=True).encode()
        return {**tensors, WORDS: torch.frombuffer(bytearray(text), dtype=torch.uint8)}

    def load_tensors(self, tensors: dict[str, torch.Tensor]) -> None:
        """Go on from `state_tensors`, with the rates and the decay of today's settings. Raises KeyError."""
        words = parse_json(tensors[WORDS].cpu().numpy().tobytes(), dict, constants=True).value or {}
        told = self._inner.state_dict()

        def whole(own: dict[str, Any], start: str) -> dict[str, Any]:
            found = {key.removeprefix(start): one for key, one in tensors.items() if key.startswith(start)}
            return {key: tuple(one) if isinstance(one, list) else one for key, one in own.items()} | found

        told["state"] = {int(number): whole(own, f"state.{number}.") for number, own in words["state"].items()}
        told["param_groups"] = [
            {**own, **whole(saved, f"group.{own['name']}.")}
            for own, saved in zip(told["param_groups"], words["groups"], strict=True)
        ]
        self._inner.load_state_dict(told)
        for group, settings in zip(self.groups, self._inner.param_groups, strict=True):
            settings |= {"lr": group.lr, "weight_decay": group.weight_decay}

    # -- of those that average by themselves -----------------------------------------------------------------------

    @contextmanager
    def at_average(self) -> Iterator[None]:
        """The numbers are the average for as long as this lasts, and to the bit what they were after it."""
        kept = [group.data.clone() for group in self.groups]
        self._inner.eval()  # type: ignore[attr-defined]
        try:
            yield
        finally:
            self._inner.train()  # type: ignore[attr-defined]
            for group, before in zip(self.groups, kept, strict=True):
                group.data.copy_(before)


class OwnAverage:
    """The average that a schedule-free optimizer keeps (Defazio et al. 2024), in the place of `train.ema`'s."""

    def __init__(self, optimizer: PackagedOptimizer) -> None:
        self._optimizer = optimizer

    def update(self, step: int, applied: torch.Tensor) -> None:
        """The optimizer's step has done it."""

    def tensors(self) -> dict[str, torch.Tensor]:
        """The average of every parameter, by its name in the group."""
        with self.in_place():
            return {
                name: one.detach().clone()
                for group in self._optimizer.groups
                for name, one in zip(group.names, group.parameters, strict=True)
            }

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """The modules hold the average for as long as this lasts."""
        with torch.no_grad(), self._optimizer.at_average():
            yield

    @torch.no_grad()
    def freeze(self, name: str) -> None:
        """End with a group: it holds its average from here on."""
        group = next(one for one in self._optimizer.groups if one.name == name)
        with self._optimizer.at_average():
            mean = group.data.clone()
        group.data.copy_(mean)

    def state_tensors(self) -> dict[str, torch.Tensor]:
        """All of it is the optimizer's."""
        return {}

    def restore(self, step: int, state: dict[str, torch.Tensor]) -> None:
        """All of it is the optimizer's."""
