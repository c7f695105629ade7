"""Looks at what every module of a pass answers, and keeps the first answer that is not finite."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from types import TracebackType
from typing import Any

import torch
from torch import nn

from trainer.model.adapters import AdaptedLayer
from trainer.model.parts import Parts

UNET = "the U-Net"
ENCODERS_TOLD = ("the first text encoder", "the second text encoder")
_BASE = ".base"  # behind the path of an adapted layer: the frozen layer in it


@dataclass(frozen=True)
class FirstSeen:
    """The first module of a pass that made a number that is not finite from finite ones."""

    part: str  # of the model: "the U-Net", or which text encoder
    path: str  # of the module in it; empty for the part itself
    module: nn.Module
    rows: tuple[int, ...]  # of its answer, that are not finite
    asked: float  # the largest number that it was asked with, by its absolute value; 0 where nobody looked

    @property
    def frozen(self) -> bool:
        """Whether a frozen number of the module's own is not finite."""
        return not is_frozen_finite(self.module)

    @property
    def trained(self) -> tuple[float, str]:
        """The largest number that is trained in the module, by its absolute value, and in which layer; 0 for none."""
        inside = [(path, one) for path, one in self.module.named_modules() if isinstance(one, AdaptedLayer)]
        sizes = [(largest(one), path) for path, layer in inside for one in layer.trained().values()]
        return max(sizes, default=(0.0, ""))


class Watch:
    """Hooks on every module of the unet and, where they are there, of the text encoders, for as long as it lasts."""

    def __init__(self, parts: Parts) -> None:
        self.first: FirstSeen | None = None
        self.used: dict[int, None] = {}  # the adapted layers by their id(), in the order in which a pass used them
        named: list[tuple[str, nn.Module]] = [(UNET, parts.unet)]
        named += zip(ENCODERS_TOLD, parts.text_encoders or (), strict=False)
        self._hooks = [
            module.register_forward_hook(partial(self._look, part, whole, path))
            for part, whole in named
            for path, module in whole.named_modules()
            if path
        ]

    def __enter__(self) -> Watch:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for hook in self._hooks:
            hook.remove()

    @torch.no_grad()
    def _look(
        self, part: str, whole: nn.Module, path: str, module: nn.Module, asked: tuple[Any, ...], answer: Any
    ) -> None:
        if isinstance(module, AdaptedLayer):
            self.used.setdefault(id(module))
        if self.first is not None:
            return
        bad = next((one for one in _tensors(answer) if not is_finite(one)), None)
        if bad is None:
            return
        rows, given = tuple(not_finite_rows(bad)), list(_tensors(asked))
        inside = isinstance(_above(whole, path), AdaptedLayer)
        if all(map(is_finite, given)):
            path = path.removesuffix(_BASE) if inside else path
            most = max(map(largest, given), default=0.0)
        elif inside:  # what the layer made of its own numbers, or was given so: that is seen when it has answered
            return
        else:  # it was made between two modules, in the arithmetic of the one around them
            path, most = _around(whole, path), 0.0
        self.first = FirstSeen(part, path, whole.get_submodule(path), rows, most)


def is_frozen_finite(module: nn.Module) -> bool:
    """Whether the frozen numbers of a module's own are, of an adapted layer those of the layer in it."""
    own = module.base if isinstance(module, AdaptedLayer) else module
    return all(map(is_finite, (*own.parameters(recurse=False), *own.buffers(recurse=False))))


def is_finite(one: torch.Tensor) -> bool:
    """Whether all its numbers are; whole numbers always."""
    return not one.is_floating_point() or bool(torch.isfinite(one).all())


def largest(one: torch.Tensor) -> float:
    """The largest of its finite numbers, by the absolute value."""
    if not one.numel() or not one.is_floating_point():
        return 0.0
    return float(one.detach().float().abs().nan_to_num(0.0, 0.0, 0.0).max())


def not_finite_rows(values: torch.Tensor) -> list[int]:
    """Which of the first dimension have a number that is not finite; every one of a single number."""
    flat = values.detach().reshape(len(values) if values.dim() else 1, -1)
    return [place for place, sound in enumerate(torch.isfinite(flat).all(1).tolist()) if not sound]


def _above(whole: nn.Module, path: str) -> nn.Module:
    return whole.get_submodule(path.rpartition(".")[0])


def _around(whole: nn.Module, path: str) -> str:
    """The module in whose arithmetic this one stands: lists only hold it, and a LoRA hands on what it is given."""
    while path:
        above, path = _above(whole, path), path.rpartition(".")[0]
        if not isinstance(above, nn.ModuleList | nn.Sequential | AdaptedLayer):
            break
    return path


def _tensors(value: Any) -> Iterator[torch.Tensor]:
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, dict):
        for one in value.values():
            yield from _tensors(one)
    elif isinstance(value, (tuple, list)):
        for one in value:
            yield from _tensors(one)
