"""Trains the small SDXL's VAE on drawn pictures: many small steps on crops, then some on whole pictures."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL

from trainer.demo.averaging import Average
from trainer.demo.parts import fix_posterior, new_vae
from trainer.demo.stage_log import StageLog
from trainer.demo.vae_start import start_as_pass_through

LATENT_NOISE = 0.04  # added to the latents (their std is about 1), so that the decoder bears small errors


@dataclass(frozen=True)
class VaePlan:
    """How long and on what. Crops of 32 px cost a quarter of a picture: the VAE is convolutional."""

    crop_steps: int = 2600
    whole_steps: int = 500
    rate: float = 1.5e-3
    seed: int = 0

    @property
    def steps(self) -> int:
        return self.crop_steps + self.whole_steps

    def batch(self, step: int) -> tuple[int, int]:
        """Pictures in a batch and the side of each, pixels."""
        return (8, 32) if step <= self.crop_steps else (4, 64)


def to_tensor(pixels: np.ndarray) -> torch.Tensor:
    """(n, h, w, 3) uint8 to (n, 3, h, w) in -1 to 1."""
    return torch.from_numpy(np.array(pixels)).permute(0, 3, 1, 2).float() / 127.5 - 1


def cut(pixels: np.ndarray, count: int, side: int, rng: np.random.Generator) -> torch.Tensor:
    """`count` random squares of `side` pixels out of the pool."""
    free = pixels.shape[1] - side
    squares = []
    for row in rng.integers(0, len(pixels), count):
        top, left = rng.integers(0, free + 1, 2)
        squares.append(pixels[row, top : top + side, left : left + side])
    return to_tensor(np.stack(squares))


def reconstruction_error(vae: AutoencoderKL, pixels: np.ndarray) -> float:
    """Mean absolute error of decode(encode(x)), in units of the range -1 to 1."""
    x = to_tensor(pixels)
    with torch.no_grad():
        return (vae.decode(vae.encode(x).latent_dist.mean).sample - x).abs().mean().item()


def measure_scale(vae: AutoencoderKL, pixels: np.ndarray) -> float:
    """1 / std of the latents: what makes them about as large as the noise."""
    with torch.no_grad():
        return round(1 / vae.encode(to_tensor(pixels)).latent_dist.mean.std().item(), 5)


def train_vae(pixels: np.ndarray, out: Path, plan: VaePlan = VaePlan()) -> AutoencoderKL:
    """Trains on (n, 64, 64, 3) uint8 pictures and saves under `out`; loads what is there when it is finished."""
    if (out / "config.json").exists():
        return AutoencoderKL.from_pretrained(out)
    torch.manual_seed(plan.seed)
    rng = np.random.default_rng(plan.seed)
    vae = new_vae()
    start_as_pass_through(vae)
    average = Average(vae, decay=0.995)
    optimizer = torch.optim.AdamW(vae.parameters(), lr=plan.rate, betas=(0.9, 0.99), weight_decay=1e-4)
    log = StageLog("vae", plan.steps, every=200)
    held_out = pixels[::101][:200]
    for step in range(1, plan.steps + 1):
        for group in optimizer.param_groups:
            group["lr"] = plan.rate * min(1, step / 50) * (0.51 + 0.49 * math.cos(math.pi * step / plan.steps))
        x = cut(pixels, *plan.batch(step), rng)
        mean = vae.encode(x).latent_dist.mean
        y = vae.decode(mean + LATENT_NOISE * torch.randn_like(mean)).sample
        error = y - x
        loss = error.abs().mean() + error.square().mean() + 1e-3 * mean.square().mean()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(vae.parameters(), 1.0)
        optimizer.step()
        average.update()
        log.step(step, loss.item(), lambda: f"error {reconstruction_error(vae, held_out):.4f}")
    average.swap()
    fix_posterior(vae)
    vae.register_to_config(scaling_factor=measure_scale(vae, held_out))
    log.note(f"averaged: error {reconstruction_error(vae, held_out):.4f}, scale {vae.config.scaling_factor}")
    vae.save_pretrained(out)
    return vae
