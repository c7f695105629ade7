"""A transformer block of the unet, with the LoRA of its layers, as one function with its gradient by hand."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from trainer.contract.settings.training import Checkpointing
from trainer.model.fused.attention import Attended, attend, attend_backward
from trainer.model.fused.projections import Projection, QueryKeyValue, Stack

aten = torch.ops.aten


class FusedBlock:
    """The parts of diffusers' BasicTransformerBlock that `apply` computes with; `keys` are renewed with the words."""

    def __init__(self, block: Any, path: str, stack: Stack) -> None:
        self.norms = (Norm(block.norm1), Norm(block.norm2), Norm(block.norm3))
        own, cross, (gate, _, last) = block.attn1, block.attn2, block.ff.net
        names = [f"{path}.attn1.to_{one}" for one in "qkv"]
        self.own = QueryKeyValue([own.to_q, own.to_k, own.to_v], names, stack)
        self.own_out = Projection(own.to_out[0], f"{path}.attn1.to_out.0", stack)
        self.query = Projection(cross.to_q, f"{path}.attn2.to_q", stack)
        self.cross_out = Projection(cross.to_out[0], f"{path}.attn2.to_out.0", stack)
        self.gate = Projection(gate.proj, f"{path}.ff.net.0.proj", stack)
        self.last = Projection(last, f"{path}.ff.net.2", stack)
        self.own_heads, self.cross_heads = own.heads, cross.heads
        self.keys: tuple[torch.Tensor, torch.Tensor] | None = None  # key and value of the words
        self.again: Checkpointing = "off"  # what the backward pass makes again

    def apply(self, x: torch.Tensor, anchor: torch.Tensor) -> torch.Tensor:
        """x (batch, tokens, width) -> the same shape. `anchor` has a gradient where training wants one of the LoRA."""
        assert self.keys is not None
        found: torch.Tensor = _Block.apply(x, *self.keys, anchor, self)
        return found


class Norm:
    """A LayerNorm over the last dimension, with what its gradient needs."""

    def __init__(self, norm: nn.LayerNorm) -> None:
        self._norm = norm

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """The answer as (tokens, width), mean and reciprocal deviation."""
        own = self._norm
        y, mean, rstd = aten.native_layer_norm(x, x.shape[-1:], own.weight, own.bias, own.eps)
        return y.view(-1, x.shape[-1]), mean, rstd

    def backward(self, grad: torch.Tensor, x: torch.Tensor, mean: torch.Tensor, rstd: torch.Tensor) -> torch.Tensor:
        """The gradient of x, of its shape."""
        own, wanted = self._norm, [True, False, False]
        found = aten.native_layer_norm_backward(
            grad.view_as(x), x, x.shape[-1:], mean, rstd, own.weight, own.bias, wanted
        )
        above: torch.Tensor = found[0]
        return above


class _Block(torch.autograd.Function):
    """Residuals are added in place; what is cheap to look at again (views) is not kept twice."""

    @staticmethod
    def forward(
        ctx: Any, x: torch.Tensor, key: torch.Tensor, value: torch.Tensor, anchor: torch.Tensor, own: FusedBlock
    ) -> torch.Tensor:
        shape = x.shape
        first, second, third = own.norms

        seen1, *spread1 = first.forward(x)
        three, small1 = own.own.forward(seen1)
        one = attend(*_three(three, shape, own.own_heads))
        flat1 = _flat(one.out, shape)
        out1, small2 = own.own_out.forward(flat1)
        x1 = out1.view(shape).add_(x)

        seen2, *spread2 = second.forward(x1)
        asked, small3 = own.query.forward(seen2)
        query = _heads(asked, shape, own.cross_heads)
        two = attend(query, key, value)
        out2, small4 = own.cross_out.forward(_flat(two.out, shape))
        x2 = out2.view(shape).add_(x1)

        seen3, *spread3 = third.forward(x2)
        both, small5 = own.gate.forward(seen3)
        straight, gate = both.chunk(2, 1)
        opened = aten.gelu(gate)
        passed = straight * opened
        out3, small6 = own.last.forward(passed)

        ctx.own, ctx.shape, ctx.split = own, shape, len(one.kept)
        ctx.how = (one.kernel, one.more), (two.kernel, two.more)
        kept = (x, *spread1, small1, three, one.out, small2, x1, *spread2, small3, query, two.out, small4)
        kept += (x2, *spread3, key, value, small5, small6)
        if own.again == "off":  # of the feed-forward's two layers only what a LoRA on them asks for
            kept += (seen1, seen2, both, opened)
            kept += (seen3 if own.gate.trained else None, passed if own.last.trained else None)
        else:
            kept += (None, None, both if own.again == "norms" else None, None, None, None)
        ctx.save_for_backward(*kept, *one.kept, *two.kept)
        return out3.view(shape).add_(x2)

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor | None, torch.Tensor, torch.Tensor, None, None]:
        own, shape, (how1, how2), split = ctx.own, ctx.shape, ctx.how, ctx.split
        saved = ctx.saved_tensors  # once: with checkpointing each look makes them anew
        (x, mean1, rstd1, small1, three, out1, small2, x1, mean2, rstd2, small3, query, out2, small4) = saved[:14]
        x2, mean3, rstd3, key, value, small5, small6, seen1, seen2, both, opened, seen3, passed = saved[14:27]
        kept = saved[27:]
        first, second, third = own.norms

        # what was not kept is made by the operations that made it first: the same bits
        if both is None or (seen3 is None and own.gate.trained):
            seen3, *_ = third.forward(x2)
        if both is None:
            both, _ = own.gate.forward(seen3)
        straight, gate = both.chunk(2, 1)
        if opened is None:
            opened = aten.gelu(gate)
        if passed is None and own.last.trained:
            passed = straight * opened
        above = own.last.backward(grad.reshape(-1, shape[-1]), passed, small6)
        wide = torch.empty_like(both)
        for_straight, for_gate = wide.chunk(2, 1)
        torch.mul(above, opened, out=for_straight)
        aten.gelu_backward.grad_input(above.mul_(straight), gate, grad_input=for_gate)
        at2 = third.backward(own.gate.backward(wide, seen3, small5), x2, mean3, rstd3).add_(grad)

        above = own.cross_out.backward(_tokens(at2), _flat(out2, shape), small4)
        for_query, for_key, for_value = attend_backward(
            _heads(above, shape, own.cross_heads), query, key, value, Attended(out2, kept[split:], *how2)
        )
        if seen2 is None:
            seen2, *_ = second.forward(x1)
        above = own.query.backward(_flat(for_query, shape), seen2, small3)
        at1 = second.backward(above, x1, mean2, rstd2).add_(at2)

        above = own.own_out.backward(_tokens(at1), _flat(out1, shape), small2)
        found = attend_backward(
            _heads(above, shape, own.own_heads),
            *_three(three, shape, own.own_heads),
            Attended(out1, kept[:split], *how1),
        )
        if seen1 is None:
            seen1, *_ = first.forward(x)
        for_three = torch.stack([one.transpose(1, 2) for one in found], 2).view(len(seen1), 3, -1)
        above = own.own.backward(for_three, seen1, small1)
        if not ctx.needs_input_grad[0]:  # of the first block that trains
            return None, for_key, for_value, None, None
        return first.backward(above, x, mean1, rstd1).add_(at1), for_key, for_value, None, None


def _tokens(x: torch.Tensor) -> torch.Tensor:
    """(batch, tokens, width) -> (batch * tokens, width)."""
    return x.view(-1, x.shape[-1])


def _heads(x: torch.Tensor, shape: torch.Size, heads: int) -> torch.Tensor:
    """(batch * tokens, width) -> (batch, heads, tokens, part)."""
    return x.view(*shape[:2], heads, -1).transpose(1, 2)


def _flat(x: torch.Tensor, shape: torch.Size) -> torch.Tensor:
    """(batch, heads, tokens, part) -> (batch * tokens, width); a view, as the kernels lay their answers out."""
    return x.transpose(1, 2).reshape(shape[0] * shape[1], shape[2])


def _three(x: torch.Tensor, shape: torch.Size, heads: int) -> tuple[torch.Tensor, ...]:
    """(batch * tokens, 3, width) -> query, key and value, (batch, heads, tokens, part) each."""
    return x.view(*shape[:2], 3, heads, -1).permute(2, 0, 3, 1, 4).unbind(0)
