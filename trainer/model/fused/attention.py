"""Scaled dot-product attention with its gradient by hand: torch's kernels, called without autograd around them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

import torch

aten = torch.ops.aten
Kernel = Literal["cpu", "flash", "efficient", "plain"]
Tensors = tuple[torch.Tensor, ...]


@dataclass(frozen=True)
class Attended:
    """The answer (batch, heads, queries, width) and what its gradient needs: tensors, the kernel, other values."""

    out: torch.Tensor
    kept: Tensors
    kernel: Kernel
    more: tuple[Any, ...] = ()


def attend(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, kernel: Kernel | None = None) -> Attended:
    """softmax(q k' / sqrt(width)) v, (batch, heads, tokens, width) each; without `kernel` by the fastest for these."""
    kernel = kernel or _kernel(q, k)
    match kernel:
        case "cpu":
            out, sums = aten._scaled_dot_product_flash_attention_for_cpu(q, k, v)
            return Attended(out, (sums,), kernel)
        case "flash":
            # what it says of where each sequence starts is of nested tensors alone
            out, sums, _, _, most_q, most_k, seed, offset, _ = aten._scaled_dot_product_flash_attention(q, k, v)
            return Attended(out, (sums, seed, offset), kernel, (most_q, most_k))
        case "efficient":
            out, sums, seed, offset = aten._scaled_dot_product_efficient_attention(q, k, v, None, True)
            return Attended(out, (sums, seed, offset), kernel)
        case "plain":
            chances = torch.softmax(torch.matmul(q, k.transpose(-2, -1)) * q.shape[-1] ** -0.5, -1)
            # in memory as the other kernels leave it: heads beside each other
            out = torch.matmul(chances, v).transpose(1, 2).contiguous().transpose(1, 2)
            return Attended(out, (chances,), kernel)


def attend_backward(
    grad: torch.Tensor, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, found: Attended
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """The gradients of q, k and v; `found` is what `attend` gave."""
    out, kept = found.out, found.kept
    match found.kernel:
        case "cpu":
            return aten._scaled_dot_product_flash_attention_for_cpu_backward(grad, q, k, v, out, *kept, 0.0, False)
        case "flash":
            (sums, seed, offset), (most_q, most_k) = kept, found.more
            return aten._scaled_dot_product_flash_attention_backward(
                grad, q, k, v, out, sums, None, None, most_q, most_k, 0.0, False, seed, offset
            )
        case "efficient":
            return aten._scaled_dot_product_efficient_attention_backward(
                grad, q, k, v, None, out, *kept, 0.0, [True, True, True, False]
            )[:3]
        case "plain":
            (chances,), scale = kept, q.shape[-1] ** -0.5
            above = torch.matmul(grad, v.transpose(-2, -1))
            scores = torch._softmax_backward_data(above, chances, -1, chances.dtype).mul_(scale)
            found_v = torch.matmul(chances.transpose(-2, -1), grad)
            return torch.matmul(scores, k), torch.matmul(scores.transpose(-2, -1), q), found_v


def _kernel(q: torch.Tensor, k: torch.Tensor) -> Kernel:
    if q.device.type == "cpu":
        return "cpu"
    return _kernel_of(q.device, q.dtype, tuple(q.shape), tuple(k.shape)) if q.device.type == "cuda" else "plain"


@lru_cache(maxsize=256)
def _kernel_of(device: torch.device, dtype: torch.dtype, queries: tuple[int, ...], keys: tuple[int, ...]) -> Kernel:
    """Of the kernels that torch has on this GPU for these shapes: asked once, on tensors laid out as the block's."""
    from torch.backends.cuda import SDPAParams, can_use_efficient_attention, can_use_flash_attention

    def heads(batch: int, count: int, tokens: int, width: int) -> torch.Tensor:
        return torch.empty(batch, tokens, count, width, device=device, dtype=dtype).transpose(1, 2)

    q, k = heads(*queries), heads(*keys)
    asked = SDPAParams(q, k, k, None, 0.0, False, False)
    if can_use_flash_attention(asked):
        return "flash"
    return "efficient" if can_use_efficient_attention(asked) else "plain"
