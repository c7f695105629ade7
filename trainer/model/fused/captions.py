"""What the frozen keys and values make of captions that are constants: made once for each, where there is room."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import torch

from trainer.model.fused.unet import FusedUnet
from trainer.model.fused.words import Products


class CaptionProducts:
    """Kept up to `limit` bytes, and else made anew for one caption as for the other: the bits are the same either way.

    Each caption is multiplied by itself, for a product of several at once may have other last bits.
    """

    def __init__(self, unet: FusedUnet, limit: int) -> None:
        self._unet, self._limit = unet, limit
        self._kept: dict[Hashable, Products] = {}
        self.bytes = 0  # that are kept

    @torch.no_grad()
    def of(self, captions: Sequence[Hashable], hidden: torch.Tensor) -> Products:
        """(n, tokens, out) for each width of n captions, whose words are `hidden` (n, tokens, width).

        One name among `captions` always means the same words. Nothing where no block of the unet is a node.
        """
        if not len(self._unet):
            return ()
        rows = [self._one(name, words) for name, words in zip(captions, hidden, strict=True)]
        if len(rows) == 1:
            return tuple(one.unsqueeze(0) for one in rows[0])
        return tuple(torch.stack(each) for each in zip(*rows, strict=True))

    def _one(self, name: Hashable, words: torch.Tensor) -> Products:
        if (found := self._kept.get(name)) is None:
            found = self._unet.frozen(words)
            size = sum(one.numel() * one.element_size() for one in found)
            if self.bytes + size <= self._limit:
                self._kept[name] = found
                self.bytes += size
        return found
