"""Aspect-ratio buckets: the sizes that SDXL was made for, and which of them a picture belongs to."""

from __future__ import annotations

import math

STEP = 64  # px; what the VAE and the unet halve away
NATIVE = 1024

# (short, long) at 1024: appendix I of the SDXL paper (Podell et al. 2023), each of them upright and lying
_SDXL = (
    (512, 2048), (512, 1984), (512, 1920), (512, 1856), (576, 1792), (576, 1728), (576, 1664), (640, 1600),
    (640, 1536), (704, 1472), (704, 1408), (704, 1344), (768, 1344), (768, 1280), (832, 1216), (832, 1152),
    (896, 1152), (896, 1088), (960, 1088), (960, 1024), (1024, 1024),
)  # fmt: skip

Size = tuple[int, int]  # height, width


def bucket_sizes(resolution: int) -> tuple[Size, ...]:
    """All sizes at `resolution`, sorted: SDXL's at 1024, at others the same scaled, in steps of 64 px."""
    sizes = set()
    for pair in _SDXL:
        short, long = (max(STEP, round(side * resolution / NATIVE / STEP) * STEP) for side in pair)
        sizes |= {(short, long), (long, short)}
    return tuple(sorted(sizes))


def bucket_of(width: int, height: int, resolution: int) -> Size:
    """The size whose shape is nearest to that of a picture, by the logarithm of width / height.

    Of two that are equally near, the one with more pixels.
    """
    shape = math.log(width / height)
    return min(bucket_sizes(resolution), key=lambda one: (abs(shape - math.log(one[1] / one[0])), -one[0] * one[1]))
