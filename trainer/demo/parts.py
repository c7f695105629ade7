"""The five parts of the small SDXL, untrained: real classes of diffusers and transformers, only narrower."""

from __future__ import annotations

import math
from pathlib import Path

import torch
from diffusers import AutoencoderKL, EulerDiscreteScheduler, StableDiffusionXLPipeline, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

WIDTH_1, WIDTH_2 = 64, 96  # hidden sizes of the two text encoders; the U-Net sees them side by side
TIME_EMBED = 8  # channels for each of the six micro-conditioning numbers (SDXL: 256)
LATENT_SIDE = 16  # 64 px with a VAE that halves twice
POSTERIOR_STD = 0.03  # of a latent, in units of the latents' own size: what the decoder was trained to bear
# SDXL's own (stabilityai/stable-diffusion-xl-base-1.0, scheduler/scheduler_config.json).
SCHEDULER = {
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "num_train_timesteps": 1000,
    "prediction_type": "epsilon",
    "timestep_spacing": "leading",
    "steps_offset": 1,
    "interpolation_type": "linear",
    "use_karras_sigmas": False,
}


def new_vae() -> AutoencoderKL:
    """64 px to 16 x 16 x 4 latents. One group a norm: more of them lose the absolute colours."""
    return AutoencoderKL(
        block_out_channels=(16, 32, 64),
        down_block_types=("DownEncoderBlock2D",) * 3,
        up_block_types=("UpDecoderBlock2D",) * 3,
        layers_per_block=1,
        latent_channels=4,
        norm_num_groups=1,
        sample_size=64,
        mid_block_add_attention=False,
        force_upcast=False,
    )


def fix_posterior(vae: AutoencoderKL) -> None:
    """Sets the variance that the encoder reports to POSTERIOR_STD squared: it is trained on the mean alone."""
    with torch.no_grad():
        vae.quant_conv.weight[4:] = 0
        vae.quant_conv.bias[4:] = 2 * math.log(POSTERIOR_STD)


def new_unet() -> UNet2DConditionModel:
    """SDXL's U-Net: no attention at the first level, deeper transformers at the last."""
    return UNet2DConditionModel(
        sample_size=LATENT_SIDE,
        block_out_channels=(48, 64, 80),
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        layers_per_block=1,
        transformer_layers_per_block=[1, 1, 2],
        attention_head_dim=[3, 4, 5],
        cross_attention_dim=WIDTH_1 + WIDTH_2,
        use_linear_projection=True,
        norm_num_groups=16,
        addition_embed_type="text_time",
        addition_time_embed_dim=TIME_EMBED,
        projection_class_embeddings_input_dim=WIDTH_2 + 6 * TIME_EMBED,
    )


def _text_config(width: int, act: str, layers: int, vocab_size: int) -> CLIPTextConfig:
    # eos_token_id 2 is what real SDXL carries and what makes transformers pool at the highest id.
    return CLIPTextConfig(
        vocab_size=vocab_size,
        hidden_size=width,
        intermediate_size=2 * width,
        projection_dim=width,
        num_hidden_layers=layers,
        num_attention_heads=width // 32,
        max_position_embeddings=77,
        hidden_act=act,
        bos_token_id=0,
        pad_token_id=1,
        eos_token_id=2,
    )


def new_text_encoders(vocab_size: int) -> tuple[CLIPTextModel, CLIPTextModelWithProjection]:
    """The two encoders; SDXL reads the hidden state before the last layer of each."""
    first = CLIPTextModel(_text_config(WIDTH_1, "quick_gelu", 2, vocab_size))
    return first, CLIPTextModelWithProjection(_text_config(WIDTH_2, "gelu", 3, vocab_size))


def new_pipeline(tokenizers: Path, vae: AutoencoderKL, seed: int = 0) -> StableDiffusionXLPipeline:
    """A pipeline with a fresh U-Net and fresh encoders around a VAE and the tokenizers under `tokenizers`."""
    torch.manual_seed(seed)
    tokenizer = CLIPTokenizer.from_pretrained(tokenizers / "tokenizer")
    encoder, encoder_2 = new_text_encoders(len(tokenizer))
    return StableDiffusionXLPipeline(
        vae=vae,
        text_encoder=encoder,
        text_encoder_2=encoder_2,
        tokenizer=tokenizer,
        tokenizer_2=CLIPTokenizer.from_pretrained(tokenizers / "tokenizer_2"),
        unet=new_unet(),
        scheduler=EulerDiscreteScheduler(**SCHEDULER),
        force_zeros_for_empty_prompt=True,
        add_watermarker=False,
    )
