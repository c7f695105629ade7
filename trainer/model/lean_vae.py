"""The VAE's encoder in less memory, to the same bits: what it makes on its way takes the place of what it had."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import torch
from diffusers.models.autoencoders.vae import Encoder
from diffusers.models.resnet import ResnetBlock2D
from diffusers.models.unets.unet_2d_blocks import DownEncoderBlock2D
from torch import nn
from torch.nn import functional

Step = Callable[[torch.Tensor], torch.Tensor]


def lighten(vae: Any) -> None:
    """Three tensors of a picture's size in a block's channels where there were five; with a gradient it is as ever.

    Nothing of diffusers' classes is changed: the encoder of this VAE is given a `forward` of its own. One that has
    other blocks than SDXL's stays as it is.
    """
    own = vae.encoder
    blocks = [one for one in own.modules() if isinstance(one, ResnetBlock2D)]
    usual = type(own) is Encoder and all(type(one) is DownEncoderBlock2D for one in own.down_blocks)
    if usual and all(map(_is_usual, blocks)):
        own.forward = partial(_encode, weakref.ref(own))


def _encode(encoder: weakref.ref[Any], sample: torch.Tensor) -> torch.Tensor:
    own = encoder()
    assert own is not None
    if torch.is_grad_enabled():
        answer: torch.Tensor = type(own).forward(own, sample)
        return answer
    for step in _steps(own):
        sample = step(sample)  # by one name: what was read is let go of before more is made of it
    return sample


def _steps(encoder: Any) -> Iterator[Step]:
    """As Encoder and its DownEncoderBlock2D go through it."""
    yield encoder.conv_in
    for block in encoder.down_blocks:
        yield from (partial(_through, one) for one in block.resnets)
        yield from block.downsamplers or ()
    yield from (encoder.mid_block, encoder.conv_norm_out, encoder.conv_act, encoder.conv_out)


def _through(block: Any, x: torch.Tensor) -> torch.Tensor:
    """A ResnetBlock2D; x (batch, channels, h, w) stays as it was."""
    found = x
    for norm, convolution in ((block.norm1, block.conv1), (block.norm2, block.conv2)):
        found = norm(found)
        found = convolution(functional.silu(found, inplace=True))
    return found.add_(x if block.conv_shortcut is None else block.conv_shortcut(x))


def _is_usual(block: Any) -> bool:
    return (
        block.upsample is None
        and block.downsample is None
        and block.time_emb_proj is None
        and block.time_embedding_norm == "default"
        and isinstance(block.nonlinearity, nn.SiLU)
        and not block.dropout.p
        and block.output_scale_factor == 1.0
    )
