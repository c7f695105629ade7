"""Frozen weights below each other as one product, forth and back; quantized ones are made whole a piece at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import nn

from trainer.model.quantized import QuantizedLinear, QuantizedRows

PIECE = 2**24  # numbers that are made whole at once: 34 MB in half precision


class FrozenRows:
    """The weights of several Linears as (sum of out, in)."""

    def __init__(self, linears: Sequence[nn.Linear]) -> None:
        coded = [one for one in linears if isinstance(one, QuantizedLinear)]
        assert len(coded) in (0, len(linears))  # they have one shape, by which it is decided
        self._whole = None if coded else stack_weights(linears)
        self._pieces = [QuantizedRows(group) for group in _pieces(coded)]

    def times(self, x: torch.Tensor) -> torch.Tensor:
        """x (tokens, in) -> (tokens, sum of out)."""
        if self._whole is not None:
            return torch.mm(x, self._whole.t())
        if len(self._pieces) == 1:
            return torch.mm(x, self._pieces[0].dense().t())
        return torch.cat([torch.mm(x, one.dense().t()) for one in self._pieces], 1)

    def back(self, grad: torch.Tensor) -> torch.Tensor:
        """From the gradient (tokens, sum of out) that of x."""
        if self._whole is not None:
            return torch.mm(grad, self._whole)
        first, *others = self._pieces
        above, at = torch.mm(grad[:, : first.out], first.dense()), first.out
        for one in others:
            above.addmm_(grad[:, at : at + one.out], one.dense())
            at += one.out
        return above


def stack_weights(linears: Sequence[nn.Linear]) -> torch.Tensor:
    """The frozen weights below each other, (sum of out, in); each layer's own becomes a view of that."""
    weight = torch.cat([one.weight.detach() for one in linears])
    at = 0
    for one in linears:
        one.weight.data = weight[at : at + one.out_features]
        at += one.out_features
    return weight


def _pieces(linears: Sequence[QuantizedLinear]) -> Iterator[list[QuantizedLinear]]:
    """Neighbours whose weights together are no more than PIECE numbers, or one that is more."""
    group: list[QuantizedLinear] = []
    for one in linears:
        if group and sum(each.out_features for each in [*group, one]) * one.in_features > PIECE:
            yield group
            group = []
        group.append(one)
    if group:
        yield group
