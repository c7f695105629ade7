"""Embeddings of noise levels and of sizes: made once for each by the unet's own layers, which nothing trains."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Hashable, Sequence
from functools import partial
from typing import Any

import torch
from torch import nn

from trainer.ground.machine import to_device

MOST_KEPT = 4096  # of each kind: random crops have more sizes than pictures
TOLD = "time_embeddings"  # among a pass's added conditions: what `of` gave
Sizes = tuple[float, ...]
Told = Callable[[torch.Tensor], torch.Tensor]


class TimeEmbeddings:
    """Of one unet. Nothing of diffusers' classes is changed: three modules of this unet are given a `forward` of their
    own, which passes on what a pass was told under TOLD, and else computes as ever.
    """

    def __init__(self, unet: Any) -> None:
        self._told: tuple[torch.Tensor, ...] = ()
        self._level, self._embed, self._size = (
            weakref.ref(one) for one in (unet.time_proj, unet.time_embedding, unet.add_time_proj)
        )
        self._kept: dict[Hashable, torch.Tensor] = {}
        self._kept_sizes: dict[Hashable, torch.Tensor] = {}
        unet.register_forward_pre_hook(self._read, with_kwargs=True)
        for place, (module, at) in enumerate(((unet.time_proj, 0), (unet.time_embedding, 0), (unet.add_time_proj, 1))):
            module.forward = partial(self._forward, weakref.ref(module), at, passes=place == 1)

    @torch.no_grad()
    def of(
        self, levels: Sequence[int], sizes: Sequence[Sizes], told: Told, dtype: torch.dtype, device: torch.device
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """The embeddings of n noise levels, (n, width) in `dtype`, and of their sizes, (n * 6 * numbers of one,).

        A picture has six `sizes`; `told` is what the unet is told of a noise level. Each is made by itself, so that it
        does not depend on what else is in a batch.
        """
        self._told = ()  # of the pass before
        first = [self._one(self._kept, one, partial(self._embedded, told, dtype, device)) for one in levels]
        second = [self._one(self._kept_sizes, one, partial(self._spread, device)) for one in sizes]
        if len(first) == 1:
            return first[0], second[0]
        return torch.cat(first), torch.cat(second)

    def _one(self, kept: dict[Hashable, torch.Tensor], key: Any, make: Callable[[Any], torch.Tensor]) -> torch.Tensor:
        if key not in kept:
            if len(kept) >= MOST_KEPT:
                kept.clear()
            kept[key] = make(key)
        return kept[key]

    def _embedded(self, told: Told, dtype: torch.dtype, device: torch.device, level: int) -> torch.Tensor:
        waves, embed = _there(self._level), _there(self._embed)
        found: torch.Tensor = embed(waves(told(torch.full((1,), level, device=device))).to(dtype))
        return found

    def _spread(self, device: torch.device, sizes: Sizes) -> torch.Tensor:
        found: torch.Tensor = _there(self._size)(to_device(torch.tensor(sizes, dtype=torch.float32), device))
        return found.flatten()

    def _read(self, _: nn.Module, args: tuple[Any, ...], named: dict[str, Any]) -> None:
        self._told = (named.get("added_cond_kwargs") or {}).get(TOLD, ())

    def _forward(self, module: weakref.ref[Any], at: int, x: torch.Tensor, *more: Any, passes: bool) -> torch.Tensor:
        if self._told:
            return x if passes else self._told[at]
        own = _there(module)
        found: torch.Tensor = type(own).forward(own, x, *more)
        return found


def _there(module: weakref.ref[Any]) -> Any:
    found = module()
    assert found is not None
    return found
