"""Frozen Linear layers whose weights are kept in 8 or 4 bits (bitsandbytes) and made whole for each product."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from trainer.contract.plan.model_shape import NF4_BLOCK, is_quantized
from trainer.contract.settings.model import Quantize


class QuantizedLinear(nn.Linear):
    """A frozen Linear without `weight`: what computes with that and knows nothing of the codes fails aloud.

    `codes` and `scales` are those of a QuantizedWeight; forward: (..., in) -> (..., out).
    """

    def __init__(self, linear: nn.Linear, how: Quantize) -> None:
        nn.Module.__init__(self)
        self.in_features, self.out_features = linear.in_features, linear.out_features
        self.bias, self.dtype = linear.bias, linear.weight.dtype
        codes, scales = _quantized(linear.weight.detach(), how)
        self.register_buffer("codes", codes, persistent=False)
        self.register_buffer("scales", scales, persistent=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The product with the whole weight, which is there only meanwhile, also in the backward pass."""
        answer: torch.Tensor = _Product.apply(x, self)
        return answer

    def dense(self) -> torch.Tensor:
        """The weight (out, in) that the codes mean, in the precision that it was in."""
        return _dense(self.codes, self.scales, (self.out_features, self.in_features), self.dtype)


class QuantizedRows:
    """The weights of several layers below each other, (sum of out, in), of which each layer's codes become a view."""

    def __init__(self, linears: Sequence[QuantizedLinear]) -> None:
        self.out = sum(one.out_features for one in linears)
        self._in, self._dtype = linears[0].in_features, linears[0].dtype
        codes, scales = (torch.cat([getattr(one, name) for one in linears]) for name in ("codes", "scales"))
        self._codes, self._scales = codes, scales
        at = {"codes": 0, "scales": 0}
        for one in linears:
            for name, whole in (("codes", codes), ("scales", scales)):
                size = len(getattr(one, name))
                setattr(one, name, whole[at[name] : at[name] + size])
                at[name] += size

    def dense(self) -> torch.Tensor:
        """(out, in): the same numbers as those of each layer."""
        return _dense(self._codes, self._scales, (self.out, self._in), self._dtype)


class _Product(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, own: QuantizedLinear) -> torch.Tensor:
        ctx.own = own
        return functional.linear(x, own.dense(), own.bias)

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor, None]:
        return torch.matmul(grad, ctx.own.dense()), None


def quantize_unet(unet: nn.Module, how: Quantize, device: torch.device) -> None:
    """Put the Linears of the transformers into fewer bits on `device`, one after the other; all else stays where it is.

    Of what is not there in whole blocks of NF4 nothing is changed; SDXL has none of that.
    """
    if how == "off":
        return
    found = [
        (name, one)
        for name, one in unet.named_modules()
        if type(one) is nn.Linear and is_quantized(f"{name}.weight", tuple(one.weight.shape))
    ]
    for path, linear in found:
        parent, _, name = path.rpartition(".")
        setattr(unet.get_submodule(parent), name, QuantizedLinear(linear.to(device), how))


def place_of(linear: nn.Linear) -> torch.device:
    """Where its weight lies, whatever that is kept in."""
    return next(chain(linear.parameters(), linear.buffers())).device


def weight_of(linear: nn.Linear) -> torch.Tensor:
    """The weight (out, in): its own, or made from its codes."""
    return linear.dense() if isinstance(linear, QuantizedLinear) else linear.weight


def _quantized(weight: torch.Tensor, how: Quantize) -> tuple[torch.Tensor, torch.Tensor]:
    """Codes, and what they count by in fp32: uint8 (out * in / 2, 1) by NF4_BLOCK numbers, or int8 (out, in) by row."""
    from bitsandbytes import functional as codec

    if how == "nf4":
        codes, state = codec.quantize_4bit(weight, blocksize=NF4_BLOCK, quant_type="nf4")
        return codes, state.absmax
    codes, scales, _ = codec.int8_vectorwise_quant(weight.to(torch.float16))  # the only precision that it takes
    return codes, scales


def _dense(codes: torch.Tensor, scales: torch.Tensor, shape: tuple[int, int], dtype: torch.dtype) -> torch.Tensor:
    from bitsandbytes import functional as codec

    if codes.dtype == torch.int8:
        return codec.int8_vectorwise_dequant(codes, scales).to(dtype)
    blocks = torch.Size((2 * codes.numel() // NF4_BLOCK, NF4_BLOCK))  # AVX-512's kernel begins a block with each row
    state = codec.QuantState(scales, shape=blocks, dtype=dtype, blocksize=NF4_BLOCK, quant_type="nf4")
    return codec.dequantize_4bit(codes, state).view(shape)
