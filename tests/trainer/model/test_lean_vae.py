"""The encoder in less memory: the latents of diffusers' own way to the bit, with a gradient that way itself."""

from __future__ import annotations

import torch
from diffusers import AutoencoderKL

from tests.bench.activations import Alive
from trainer.contract.basemodel.inspect import small_model
from trainer.contract.plan.vae_memory import ENCODED_COPIES
from trainer.model.lean_vae import lighten


def vae() -> AutoencoderKL:
    found: AutoencoderKL = AutoencoderKL.from_pretrained(small_model(), subfolder="vae")
    return found.requires_grad_(False).eval()


def encoded(own: AutoencoderKL, pixels: torch.Tensor) -> tuple[torch.Tensor, int]:
    """The posterior's parameters, and the bytes of the fullest moment."""
    alive = Alive()
    alive.know([*own.parameters(), pixels])
    with torch.no_grad(), alive:
        found = own.encode(pixels).latent_dist.parameters
    return found, alive.peak


def test_it_gives_the_same_bits_in_less_memory() -> None:
    plain, lean = vae(), vae()
    lighten(lean)
    pixels = torch.randn(1, 3, 128, 128, generator=torch.Generator().manual_seed(0))
    for dtype in (torch.float32, torch.bfloat16):
        (expected, before), (found, peak) = (encoded(one.to(dtype), pixels.to(dtype)) for one in (plain, lean))
        assert torch.equal(found, expected)
        size = lean.config.block_out_channels[0] * pixels[0, 0].numel() * pixels.to(dtype).element_size()
        assert before > 1.3 * peak and ENCODED_COPIES <= peak / size < 1.1 * ENCODED_COPIES


def test_with_a_gradient_it_is_as_ever() -> None:
    lean = vae()
    lighten(lean)
    pixels = torch.randn(1, 3, 32, 32, requires_grad=True)
    lean.encode(pixels).latent_dist.mean.sum().backward()
    assert pixels.grad is not None and bool(pixels.grad.any())
