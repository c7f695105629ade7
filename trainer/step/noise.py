"""Noise of other kinds than the plain one, drawn like all else from (seed, stream, key)."""

from __future__ import annotations

import torch
from torch.nn import functional

from trainer.contract.settings.objective import Noise
from trainer.ground import draws


def with_coarse(noise: torch.Tensor, own: Noise, seed: int, key: tuple[int, ...]) -> torch.Tensor:
    """`noise` (4, h, w) with coarser ones added, each of half the size of the one before, at the spread 1.

    That of the i-th is `multires_discount` ** i; it ends where a side would have no number any more (after Whitaker
    2023, "multi-resolution noise", whose sizes are drawn; kohya's scripts).
    """
    if not own.multires_iterations:
        return noise
    height, width = noise.shape[-2:]
    found = noise
    for number in range(1, own.multires_iterations + 1):
        size = (height >> number, width >> number)
        if 0 in size:
            break
        coarse = draws.normal((noise.shape[0], *size), seed, "coarse", *key, number)
        large = functional.interpolate(coarse.unsqueeze(0), size=(height, width), mode="bilinear")[0]
        found = found + own.multires_discount**number * large
    return found / found.std()


def perturbed(noise: torch.Tensor, own: Noise, seed: int, key: tuple[int, ...]) -> torch.Tensor:
    """What the unet is shown in place of `noise`: `noise` and `perturbation` times noise of its own."""
    if not own.perturbation:
        return noise
    return noise + own.perturbation * draws.normal(tuple(noise.shape), seed, "perturbation", *key)
