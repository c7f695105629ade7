"""The settings of the base model: which one, of which revision, what it predicts, with which VAE."""

from __future__ import annotations

from typing import ClassVar, Literal

from trainer.contract.settings.fields import POST, Section, setting

SDXL = "stabilityai/stable-diffusion-xl-base-1.0"
Quantize = Literal["off", "int8", "nf4"]  # `model.quantize`


class Model(Section):
    """What is trained on."""

    TITLE: ClassVar[str] = "base model"

    base: str = setting(
        SDXL,
        "base model",
        "An SDXL model: a hub id, a local diffusers folder or .safetensors file, or sdxl-small, the one that ships.",
        source=POST,
        min_length=1,
    )
    revision: str = setting(
        "",
        "base revision",
        "Which commit, branch or tag of a base model of the hub; empty: main, and the commit that was used is written "
        "into the run's answers.",
        source="the hub's revisions",
        pattern=r"^[A-Za-z0-9]?[\w./-]*$",
    )
    prediction: Literal["auto", "epsilon", "v_prediction"] = setting(
        "auto",
        "prediction",
        "What the base model answers with: its noise (epsilon) or v; auto: as its scheduler, marks or metadata say.",
        source="diffusers (prediction_type)",
    )
    zero_snr: Literal["auto", "on", "off"] = setting(
        "auto",
        "zero terminal SNR",
        "Whether the base model was trained down to pure noise, as most v-prediction models were; auto: as it says.",
        source="diffusers (rescale_betas_zero_snr)",
    )
    vae: str = setting(
        "auto",
        "VAE",
        "A hub id, a folder or a .safetensors file; auto: madebyollin/sdxl-vae-fp16-fix with SDXL base, else the base "
        "model's own.",
        source=POST,
        min_length=1,
    )
    vae_revision: str = setting(
        "",
        "VAE revision",
        "Which commit, branch or tag of a VAE of the hub, as model.revision is of the base model.",
        source="the hub's revisions",
        pattern=r"^[A-Za-z0-9]?[\w./-]*$",
    )
    vae_precision: Literal["auto", "fp32", "training"] = setting(
        "auto",
        "VAE precision",
        "auto: pictures are encoded in fp32, once; samples are decoded in the precision of the training, or in fp32 by "
        "a VAE that overflows in half, as its configuration says. fp32: both are. training: neither is, unless by that "
        "VAE.",
        source="diffusers' script (encodes in fp32)",
        down="training: less memory while pictures are encoded; in bf16 the latents are 1 % off in every epoch.",
    )
    quantize: Quantize = setting(
        "off",
        "quantized base",
        "In what the frozen weights of the unet's Linears lie in memory: off, the precision of the training; int8, 8 "
        "bits; nf4, 4.5 bits. The LoRA is trained, and samples are drawn, on what these bits mean; it is used on the "
        "whole model.",
        source="QLoRA (nf4); bitsandbytes",
        up="int8 saves 2.2 GB and is off by 0.8 %, nf4 3.2 GB by 9 % a weight; steps take up to a quarter longer.",
    )
    clip_skip: int = setting(
        0,
        "clip skip",
        "Layers of both text encoders that are left out at the end, beyond the one that SDXL itself leaves out.",
        source="diffusers (clip_skip)",
        unit="layers",
        ge=0,
        le=11,
    )
