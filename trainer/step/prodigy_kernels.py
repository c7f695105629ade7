"""Prodigy's two passes as Triton kernels: each number is read and written once a pass, 48 bytes a step in place of 224.

Roots and quotients are rounded as IEEE 754 has it and nothing is fused, so that each number is the one that torch's own
operations give: Triton's usual root and quotient are approximations. The two sums are added up in another order.

They have not run on a GPU yet: Triton's interpreter runs them on the CPU and Triton compiles them for the cards that
people have (`tests/trainer/step/test_kernels.py`), and on a GPU `trainer.step.prodigy.agree` compares them with torch's
arithmetic before they are used. Importing this needs Triton, which torch brings along on CUDA.
"""

from __future__ import annotations

from typing import Any

import torch
import triton
import triton.language as tl

BLOCK = 1024
HOW: dict[str, Any] = {"BLOCK": BLOCK, "enable_fp_fusion": False}  # a product and a sum rounded at once are other bits


@triton.jit
def _accumulate(grad, data, mean, square, s, p0, dots, sums, scalars, size, begun, BLOCK: tl.constexpr):  # type: ignore
    block = tl.program_id(0)
    at = block.to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    there = at < size
    g = tl.load(grad + at, mask=there, other=0.0)
    x = tl.load(data + at, mask=there, other=0.0)
    start = tl.load(p0 + at, mask=at < begun, other=0.0).to(tl.float32)
    m = tl.load(mean + at, mask=there, other=0.0) * tl.load(scalars) + g * tl.load(scalars + 1)
    v = tl.load(square + at, mask=there, other=0.0) * tl.load(scalars + 2) + g * g * tl.load(scalars + 3)
    t = tl.load(s + at, mask=there, other=0.0) * tl.load(scalars + 4) + g * tl.load(scalars + 5)
    tl.store(mean + at, m, mask=there)
    tl.store(square + at, v, mask=there)
    tl.store(s + at, t, mask=there)
    # in float64, as the rest of the estimate: in float32, over 46 M numbers, it was 4 % off
    way = tl.where(there, g.to(tl.float64) * (start - x).to(tl.float64), 0.0)
    tl.store(dots + block, tl.sum(way))
    tl.store(sums + block, tl.sum(tl.where(there, tl.abs(t), 0.0).to(tl.float64)))


@triton.jit
def _move(data, mean, square, scalars, size, BLOCK: tl.constexpr):  # type: ignore
    at = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    there = at < size
    x = tl.load(data + at, mask=there, other=0.0)
    m = tl.load(mean + at, mask=there, other=0.0)
    v = tl.load(square + at, mask=there, other=0.0)
    rate = tl.load(scalars)
    x = x - x * tl.load(scalars + 2)
    tl.store(data + at, x - tl.div_rn(m, tl.sqrt_rn(v) + tl.load(scalars + 1)) * rate, mask=there)


def accumulate(
    grad: torch.Tensor,
    data: torch.Tensor,
    mean: torch.Tensor,
    square: torch.Tensor,
    s: torch.Tensor,
    p0: torch.Tensor,
    scalars: torch.Tensor,
) -> tuple[torch.Tensor, torch.Tensor]:
    """The moments and s of the step; gives grad . (p0 - data) and the sum of |s|, 0-d in float64.

    `scalars`, fp32: what of each of mean, square and s is kept, and what of the gradient (or its square) is added, in
    turn. All other tensors are flat fp32 of one length, but `p0` may be bf16, and shorter: beyond it, it is 0.
    """
    blocks = triton.cdiv(data.numel(), BLOCK)
    dots, sums = (torch.empty(blocks, dtype=torch.float64, device=data.device) for _ in range(2))
    first = p0 if p0.numel() else data  # a pointer that is never read
    _accumulate[(blocks,)](grad, data, mean, square, s, first, dots, sums, scalars, data.numel(), p0.numel(), **HOW)
    return dots.sum(), sums.sum()


def move(data: torch.Tensor, mean: torch.Tensor, square: torch.Tensor, scalars: torch.Tensor) -> None:
    """data -= decay * data; data -= rate * mean / (sqrt(square) + least). `scalars`, fp32: rate, least, decay."""
    _move[(triton.cdiv(data.numel(), BLOCK),)](data, mean, square, scalars, data.numel(), **HOW)
