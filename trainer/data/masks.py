"""What of a view counts: its mask, cut as the picture is, at the size of latents."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from trainer.contract.plan.masks import MaskFile, mask_plane
from trainer.data.dataset import View
from trainer.data.images import Geometry


def mask_latents(mask: MaskFile, geometry: Geometry, shape: tuple[int, int]) -> torch.Tensor:
    """The mask as (1, h, w) in [0, 1], (h, w) being `shape`, that of the latents: of each the share that is inside.

    Raises BadPicture.
    """
    from PIL import Image

    height, width = geometry.resized
    plane = mask_plane(mask).resize((width, height), Image.Resampling.BOX)
    top, left = geometry.corner
    cut = plane.crop((left, top, left + geometry.size[1], top + geometry.size[0]))
    small = cut.resize((shape[1], shape[0]), Image.Resampling.BOX)
    values = np.asarray(small, dtype=np.float32) / 255.0
    return torch.from_numpy(np.ascontiguousarray(values[:, ::-1] if geometry.flip else values)).unsqueeze(0)


class Masks:
    """The masks of a run's views, kept in memory: a quarter of the numbers that latents have."""

    def __init__(self, outside: float) -> None:
        self._outside = outside
        self._kept: dict[tuple[Path, Geometry], torch.Tensor] = {}

    def weights(self, mask: MaskFile | None, geometry: Geometry, shape: tuple[int, int]) -> torch.Tensor:
        """How much each latent counts, (1, h, w): 1 inside and `outside` elsewhere; 1 everywhere without a mask."""
        if mask is None:
            return torch.ones(1, *shape)
        key = (mask.path, geometry)
        if key not in self._kept:
            inside = mask_latents(mask, geometry, shape)
            self._kept[key] = self._outside + (1 - self._outside) * inside
        return self._kept[key]

    def of(self, views: tuple[View, ...], latent: torch.Tensor) -> torch.Tensor:
        """The weights of views whose latents have the shape of `latent`, (..., h, w): (n, 1, h, w)."""
        height, width = latent.shape[-2:]
        return torch.stack([self.weights(view.item.mask, view.geometry, (height, width)) for view in views])
