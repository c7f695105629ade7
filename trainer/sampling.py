"""Validation pictures from the live modules: nothing is loaded again, nothing of the training is touched."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from trainer.images import to_pictures
from trainer.model import Parts
from trainer.prompts import Encoded

if TYPE_CHECKING:
    from PIL.Image import Image


def make_picture(parts: Parts, encoded: Encoded, side: int, steps: int, guidance: float, seed: int) -> Image:
    """One picture of `side` px from one encoded prompt, with the base model's own sampler.

    The first noise comes from a CPU generator seeded with `seed`, so that every device, and a plain
    StableDiffusionXLPipeline with the exported files, starts from the same.
    """
    from diffusers import StableDiffusionXLPipeline

    pipe = StableDiffusionXLPipeline(
        vae=parts.vae,
        text_encoder=None,
        text_encoder_2=None,
        tokenizer=None,
        tokenizer_2=None,
        unet=parts.unet,
        scheduler=type(parts.scheduler).from_config(parts.scheduler.config),
        force_zeros_for_empty_prompt=parts.zero_empty,
        add_watermarker=False,
    )
    pipe.set_progress_bar_config(disable=True)
    was_training = parts.unet.training
    parts.unet.eval()
    with torch.no_grad():
        latents = pipe(
            prompt_embeds=encoded.hidden.to(parts.dtype),
            pooled_prompt_embeds=encoded.pooled.to(parts.dtype),
            negative_prompt_embeds=torch.zeros_like(encoded.hidden, dtype=parts.dtype),
            negative_pooled_prompt_embeds=torch.zeros_like(encoded.pooled, dtype=parts.dtype),
            height=side,
            width=side,
            num_inference_steps=steps,
            guidance_scale=guidance,
            generator=torch.Generator().manual_seed(seed),
            output_type="latent",
        ).images
        decoded = decode(parts.vae, latents)
    parts.unet.train(was_training)
    return to_pictures(decoded)[0]


def decode(vae: Any, latents: torch.Tensor) -> torch.Tensor:
    """Latents (n, 4, h, w) as the unet has them to pixels (n, 3, H, W) in [-1, 1], in the VAE's precision."""
    return vae.decode(latents.to(vae.dtype) / vae.config.scaling_factor, return_dict=False)[0]
