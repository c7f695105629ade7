"""A starting point for the VAE: it shrinks and enlarges the picture from the first step, training adds the detail."""

from __future__ import annotations

import torch
from diffusers import AutoencoderKL
from diffusers.models.resnet import ResnetBlock2D
from torch import nn

COLOURS = 3
CARRIED = 2 * COLOURS + 2  # red, green, blue; the same negated; a constant and its negative
QUIET = 0.1  # how far everything that is not on the path is turned down


def start_as_pass_through(vae: AutoencoderKL) -> None:
    """Sets the weights so that decode(encode(x)) is about x averaged over 4 x 4 pixels.

    Group norms and silu stand in the way of absolute colours. Each colour travels as a pair of opposite signs, for
    silu(v) - silu(-v) = v; and a large constant travels along, so that the norm divides by nearly the same number
    whatever the picture shows. Random starting weights take thousands of steps to find such a path.
    """
    with torch.no_grad():
        for module in vae.modules():
            if isinstance(module, ResnetBlock2D):
                module.conv2.weight *= QUIET
                if module.conv_shortcut is not None:
                    _identity(module.conv_shortcut)
        for block in vae.encoder.down_blocks:
            for sampler in block.downsamplers or []:
                _average(sampler.conv)
        for block in vae.decoder.up_blocks:
            for sampler in block.upsamplers or []:
                _identity(sampler.conv)
        _enter(vae.encoder.conv_in, constant=5.0)
        _leave(vae.encoder.conv_out, constant=5.0)
        _enter(vae.decoder.conv_in, constant=5.0)
        _leave(vae.decoder.conv_out, constant=5.0)
        for conv in (vae.quant_conv, vae.post_quant_conv):
            conv.weight.zero_()
            conv.bias.zero_()
            conv.weight[:, :, 0, 0] = torch.eye(conv.out_channels)


def _clear(conv: nn.Conv2d, rows: int) -> int:
    """Empties the first `rows` outputs of a convolution; the index of its middle tap."""
    conv.weight[:rows] = 0
    conv.bias[:rows] = 0
    return conv.kernel_size[0] // 2


def _identity(conv: nn.Conv2d) -> None:
    middle = _clear(conv, CARRIED)
    for channel in range(CARRIED):
        conv.weight[channel, channel, middle, middle] = 1


def _average(conv: nn.Conv2d) -> None:
    """The mean of 2 x 2 pixels: diffusers pads on the right and below, so taps 0 and 1 of each axis."""
    _clear(conv, CARRIED)
    for channel in range(CARRIED):
        conv.weight[channel, channel, :2, :2] = 0.25


def _enter(conv: nn.Conv2d, constant: float) -> None:
    """The first three inputs and their negatives, then the constants."""
    middle = _clear(conv, CARRIED)
    for colour in range(COLOURS):
        conv.weight[colour, colour, middle, middle] = 1
        conv.weight[COLOURS + colour, colour, middle, middle] = -1
    conv.bias[2 * COLOURS], conv.bias[2 * COLOURS + 1] = constant, -constant


def _leave(conv: nn.Conv2d, constant: float) -> None:
    """Joins each colour from its pair and undoes the norm's division."""
    conv.weight *= QUIET
    middle = _clear(conv, COLOURS)
    divided_by = (2 * constant**2 / conv.in_channels) ** 0.5
    for colour in range(COLOURS):
        conv.weight[colour, colour, middle, middle] = divided_by
        conv.weight[colour, COLOURS + colour, middle, middle] = -divided_by
