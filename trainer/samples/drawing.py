"""Validation pictures from the live modules: nothing is loaded again, nothing of the training is touched."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import torch

from trainer.contract.plan.vae_memory import TILE
from trainer.data.images import to_pictures
from trainer.model.parts import Parts
from trainer.model.prompts import Encoded
from trainer.model.scaling import LatentScale

if TYPE_CHECKING:
    from PIL.Image import Image


def negative_prompt(parts: Parts, words: str, encode: Callable[[str], Encoded]) -> Encoded | None:
    """What guidance leads away from: `words` encoded; None, zeros, where they are empty and the base model says so.

    A base model whose model_index.json has force_zeros_for_empty_prompt = false was made with the empty prompt encoded.
    """
    return None if parts.zero_empty and not words else encode(words)


def make_picture(
    parts: Parts,
    encoded: Encoded,
    negative: Encoded | None,
    size: tuple[int, int],
    steps: int,
    guidance: float,
    seed: int,
    tiles: bool = False,
) -> Image:
    """One picture of `size` (width, height) from one encoded prompt, with the base model's own sampler."""
    return make_pictures(parts, encoded, negative, size, steps, guidance, (seed,), tiles)[0]


def make_pictures(
    parts: Parts,
    encoded: Encoded,
    negative: Encoded | None,
    size: tuple[int, int],
    steps: int,
    guidance: float,
    seeds: Sequence[int],
    tiles: bool = False,
) -> list[Image]:
    """The pictures of `make_pixels`; what is not a number in it is black."""
    return to_pictures(make_pixels(parts, encoded, negative, size, steps, guidance, seeds, tiles))


def make_pixels(
    parts: Parts,
    encoded: Encoded,
    negative: Encoded | None,
    size: tuple[int, int],
    steps: int,
    guidance: float,
    seeds: Sequence[int],
    tiles: bool = False,
) -> torch.Tensor:
    """A picture of `size` (width, height) from one encoded prompt, and a `negative` one, for each of `seeds`, together.

    Pixels (n, 3, height, width) in [-1, 1]. With `tiles` they are decoded in tiles of TILE px.

    The first noise comes from CPU generators seeded with `seeds`, so that every device, and a plain
    StableDiffusionXLPipeline with the exported files, starts from the same.
    """
    with torch.no_grad(), parts.vae_in_place() as vae:  # from the start: the pipeline computes where its VAE lies
        latents = draw_latents(parts, encoded, negative, size, steps, guidance, seeds)
        # one at a time: the VAE's activations are larger than the unet's
        return torch.cat([decode(vae, one.unsqueeze(0), tiles) for one in latents])


def draw_latents(
    parts: Parts,
    encoded: Encoded,
    negative: Encoded | None,
    size: tuple[int, int],
    steps: int,
    guidance: float,
    seeds: Sequence[int],
) -> torch.Tensor:
    """What `make_pictures` decodes: latents (n, 4, h, w) in the unet's scale. The VAE must be in its place."""
    from diffusers import StableDiffusionXLPipeline

    if negative is None:
        negative = Encoded(torch.zeros_like(encoded.hidden), torch.zeros_like(encoded.pooled))
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
    latents: torch.Tensor = pipe(
        prompt_embeds=encoded.hidden.to(parts.dtype),
        pooled_prompt_embeds=encoded.pooled.to(parts.dtype),
        negative_prompt_embeds=negative.hidden.to(parts.dtype),
        negative_pooled_prompt_embeds=negative.pooled.to(parts.dtype),
        height=size[1],
        width=size[0],
        num_inference_steps=steps,
        guidance_scale=guidance,
        generator=[torch.Generator().manual_seed(seed) for seed in seeds],
        num_images_per_prompt=len(seeds),
        output_type="latent",
    ).images
    parts.unet.train(was_training)
    return latents


def decode(vae: Any, latents: torch.Tensor, tiles: bool = False) -> torch.Tensor:
    """Latents (n, 4, h, w) as the unet has them to pixels (n, 3, H, W) in [-1, 1], in the decoder's precision."""
    dtype = next(vae.decoder.parameters()).dtype
    found = LatentScale(vae).to_vae(latents.to(dtype))
    if not tiles:
        return vae.decode(found, return_dict=False)[0]
    # diffusers takes the size that the VAE was made for as a tile, so that SDXL's would have one
    vae.tile_sample_min_size = TILE
    vae.tile_latent_min_size = TILE // 2 ** (len(vae.config.block_out_channels) - 1)
    vae.enable_tiling()
    try:
        return vae.decode(found, return_dict=False)[0]
    finally:
        vae.disable_tiling()
