"""LoRA on a convolution (LoCon): a convolution of few channels, and one of one pixel behind it."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from trainer.contract.basemodel.layers import conv_paths
from trainer.contract.basemodel.unet_names import within
from trainer.contract.settings.arithmetic import alpha_of, rank_of
from trainer.contract.settings.config import TrainConfig
from trainer.ground import draws
from trainer.model.adapters import LoraLinear, started
from trainer.model.quantized import place_of


class LoraConv(LoraLinear):
    """A frozen Conv2d plus alpha / rank * up(down(x)), as kohya's scripts and PEFT put it together.

    down (rank, in, height, width) goes over the picture as the base does, up (out, rank, 1, 1) over its answer. It
    starts as a LoraLinear: randn / rank, and zeros. forward: (batch, in, h, w) -> (batch, out, h', w').
    """

    base: nn.Conv2d  # type: ignore[assignment]

    def __init__(self, base: nn.Conv2d, rank: int, alpha: float, start: torch.Generator, dropout: float = 0.0) -> None:
        nn.Module.__init__(self)
        self.dropout = dropout
        self.working = None
        self.base = base.requires_grad_(False)
        self.scale = alpha / rank
        where = place_of(base)
        down = started((rank, base.in_channels, *base.kernel_size), rank, start)
        self.down = nn.Parameter(down.to(where))
        self.up = nn.Parameter(torch.zeros(base.out_channels, rank, 1, 1, device=where))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The base's answer plus the two small ones."""
        seen = functional.dropout(x, self.dropout) if self.dropout and torch.is_grad_enabled() else x
        down, up = self.working or (self.down.to(x.dtype), self.up.to(x.dtype))
        own = self.base
        small = functional.conv2d(seen, down, None, own.stride, own.padding, own.dilation)
        if self.scale != 1.0:
            small = small * self.scale
        return self.base(x) + functional.conv2d(small, up)


def convolution_paths(unet: nn.Module, config: TrainConfig) -> list[tuple[int, str]]:
    """Number and path of every convolution that gets an adapter; none where `adapter.conv_rank` is 0."""
    paths = enumerate(conv_paths(name for name, _ in unet.named_modules()))
    blocks = config.train.blocks
    wanted = [(at, path) for at, path in paths if not blocks or any(within(path, block) for block in blocks)]
    return wanted if config.adapter.conv_rank else []


def add_convolutions(unet: nn.Module, config: TrainConfig) -> dict[str, LoraLinear]:
    """Put a LoRA on every convolution that gets one; returns them by path."""
    train, layers = config.train, dict[str, LoraLinear]()
    for place, path in convolution_paths(unet, config):
        parent, _, name = path.rpartition(".")
        holder, start = unet.get_submodule(parent), draws.generator(train.seed, "lora", 3, place)
        rank, alpha = rank_of(config, path, True), alpha_of(config, path, True)
        layers[path] = LoraConv(getattr(holder, name), rank, alpha, start, train.dropout)
        setattr(holder, name, layers[path])
    return layers
