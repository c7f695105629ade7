"""Keys and values of every cross-attention from the words, in two products for each width of the unet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from trainer.model.adapters import LoraLinear
from trainer.model.fused.frozen import FrozenRows
from trainer.model.fused.projections import Slot, Stack

Products = tuple[torch.Tensor, ...]  # a tensor for each width


@dataclass(frozen=True)
class Width:
    """The cross-attentions of one width, a key and a value each."""

    heads: int
    base: FrozenRows  # (2 blocks * width, words)
    up: Slot  # (2 blocks, width, rank)
    columns: slice  # of down @ words

    @property
    def layers(self) -> int:
        """How many projections."""
        return len(self.up.value)

    def each(self, tokens: torch.Tensor) -> torch.Tensor:
        """(tokens, layers * n) as (layers, tokens, n)."""
        return tokens.unflatten(1, (self.layers, -1)).transpose(0, 1)


class WordProjections:
    """words (batch, tokens, width of the words) -> for each width (2 blocks, batch, heads, tokens, part)."""

    def __init__(self, groups: Sequence[tuple[int, Sequence[LoraLinear], Sequence[str]]], stack: Stack) -> None:
        """`groups`: heads, layers (a block's key before its value) and their paths, the widths in their order."""
        self._layer = groups[0][1][0]
        self.down = stack([f"{path}.down" for _, _, paths in groups for path in paths])
        rank, at = self.down.value.shape[1], 0
        self.widths: list[Width] = []
        for heads, layers, paths in groups:
            columns = slice(at, at + rank * len(paths))
            base = FrozenRows([one.base for one in layers])
            self.widths.append(Width(heads, base, stack([f"{path}.up" for path in paths]), columns))
            at = columns.stop

    @property
    def scale(self) -> float:
        """What the LoRA counts."""
        return self._layer.scale

    def frozen(self, words: torch.Tensor) -> Products:
        """What the frozen weights alone make of one caption's words (tokens, width): (tokens, out) for each width."""
        return tuple(width.base.times(words) for width in self.widths)

    def of(
        self, words: torch.Tensor, anchor: torch.Tensor, known: Products = ()
    ) -> list[tuple[torch.Tensor, torch.Tensor]]:
        """Key and value of each block, (batch, heads, tokens, part), the blocks in the order of the widths.

        `known`: what `frozen` makes of the words, (batch, tokens, out) for each width, where they are constants.
        """
        found: tuple[torch.Tensor, ...] = _Words.apply(words, anchor, self, known)
        every = [one.unbind(0) for one in found]
        return [pair for each in every for pair in zip(each[0::2], each[1::2], strict=True)]


class _Words(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, words: torch.Tensor, anchor: torch.Tensor, own: WordProjections, known: Products
    ) -> tuple[torch.Tensor, ...]:
        batch, tokens, _ = words.shape
        flat = words.reshape(batch * tokens, -1)
        small = torch.mm(flat, own.down.value.flatten(0, 1).t())
        found = []
        for place, width in enumerate(own.widths):
            low = width.each(small[:, width.columns])
            base = width.each(known[place].flatten(0, 1) if known else width.base.times(flat))
            y = torch.baddbmm(base, low, width.up.value.transpose(1, 2), alpha=own.scale)
            found.append(y.view(width.layers, batch, tokens, width.heads, -1).transpose(2, 3))
        ctx.own, ctx.shape = own, words.shape
        ctx.save_for_backward(flat, small)
        return tuple(found)

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> tuple[torch.Tensor | None, None, None, None]:
        own, (flat, small) = ctx.own, ctx.saved_tensors
        low, above = torch.empty_like(small), None
        for width, grad in zip(own.widths, grads, strict=True):
            each = grad.transpose(2, 3).reshape(width.layers, len(flat), -1)
            torch.bmm(each, width.up.value, out=width.each(low[:, width.columns]))
            width.up.grad.baddbmm_(each.transpose(1, 2), width.each(small[:, width.columns]), alpha=own.scale)
            if ctx.needs_input_grad[0]:
                part = width.base.back(each.transpose(0, 1).reshape(len(flat), -1))
                above = part if above is None else above.add_(part)
        down = own.down
        down.grad.flatten(0, 1).addmm_(low.t(), flat, alpha=own.scale)
        if above is None:
            return None, None, None, None
        return above.addmm_(low, down.value.flatten(0, 1), alpha=own.scale).view(ctx.shape), None, None, None
