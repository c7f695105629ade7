"""Trains the small SDXL's U-Net and text encoders together, on latents that are computed once."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL, DDPMScheduler, StableDiffusionXLPipeline
from safetensors.torch import load_file, save_file
from torch.nn.functional import mse_loss

from trainer.demo.averaging import Average
from trainer.demo.captions import Sizes, example
from trainer.demo.parts import SCHEDULER
from trainer.demo.picture_pool import EXAMPLES
from trainer.demo.stage_log import StageLog
from trainer.demo.train_vae import to_tensor

NO_CAPTION = 0.1  # share of pictures whose caption is dropped: SDXL's unconditional is zeros, not an empty prompt
GAMMA = 5.0  # min-SNR (Hang et al. 2023, arXiv 2303.09556)


@dataclass(frozen=True)
class UnetPlan:
    """How long; the state is kept every `keep` steps, so that a stopped run goes on.

    After `even_steps` the noisiest timesteps are drawn more often and count for more. What a caption decides, above
    all the ground's colour, is decided there, while in the plain epsilon loss they hardly count: in the first 2,000
    steps the model learnt figures and their colours, but not the grounds.

    Between `offset_steps` a channel's mean is noisy too: otherwise the ground's colour can be read off the noisiest
    latents, and what the caption says of it is not needed. SDXL itself was trained with such noise of 0.05.
    """

    steps: int = 6000
    even_steps: int = 2000
    offset_steps: tuple[int, int] = (2750, 4800)
    batch: int = 16
    rate: float = 1.2e-3
    keep: int = 250
    seed: int = 1

    def offset_at(self, step: int) -> float:
        """The std of a channel's common noise."""
        first, last = self.offset_steps
        return 0.2 if first < step <= last else 0.05 if step > last else 0.0

    def rate_at(self, step: int) -> float:
        """Warm-up over 100 steps, then a cosine down to a fiftieth."""
        return self.rate * min(1, step / 100) * (0.51 + 0.49 * math.cos(math.pi * step / self.steps))


@dataclass(frozen=True)
class TrainingSet:
    """What the U-Net learns from: scaled latents (n, 4, 16, 16), token ids (n, 77) twice, time ids (n, 6)."""

    latents: torch.Tensor
    ids: torch.Tensor
    ids_2: torch.Tensor
    time_ids: torch.Tensor


def time_ids(sizes: Sizes) -> list[int]:
    """SDXL's six numbers: original height and width, crop top and left, target height and width."""
    return [*sizes.original, *sizes.crop, *sizes.target]


def encode_pictures(vae: AutoencoderKL, pixels: np.ndarray, path: Path) -> torch.Tensor:
    """Scaled latents of all examples (float32); from `path` when they are there."""
    if path.exists():
        return load_file(path)["latents"]
    with torch.no_grad():
        parts = [
            vae.encode(to_tensor(pixels[i : i + 100])).latent_dist.mean
            for i in range(0, min(EXAMPLES, len(pixels)), 100)
        ]
    latents = torch.cat(parts) * vae.config.scaling_factor
    save_file({"latents": latents}, path)
    return latents


def prepare(pipe: StableDiffusionXLPipeline, pixels: np.ndarray, work: Path) -> TrainingSet:
    """Everything that does not change while training."""
    items = [example(i) for i in range(EXAMPLES)]
    captions = [item.caption for item in items]

    def tokens(tokenizer) -> torch.Tensor:  # type: ignore[no-untyped-def]
        return tokenizer(captions, padding="max_length", max_length=77, truncation=True, return_tensors="pt").input_ids

    return TrainingSet(
        encode_pictures(pipe.vae, pixels, work / "latents.safetensors"),
        tokens(pipe.tokenizer),
        tokens(pipe.tokenizer_2),
        torch.tensor([time_ids(item.sizes) for item in items], dtype=torch.float32),
    )


def encode_captions(
    pipe: StableDiffusionXLPipeline, ids: torch.Tensor, ids_2: torch.Tensor, told: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """SDXL's conditioning: both hidden states before the last layer, (b, 77, 160), and the pooled vector (b, 96).

    `told` (b,) is 1 where the caption counts and 0 where it is dropped.
    """
    first = pipe.text_encoder(ids, output_hidden_states=True).hidden_states[-2]
    second = pipe.text_encoder_2(ids_2, output_hidden_states=True)
    hidden = torch.cat([first, second.hidden_states[-2]], dim=-1)
    return hidden * told[:, None, None], second.text_embeds * told[:, None]


def loss_of(
    pipe: StableDiffusionXLPipeline,
    noise_schedule: DDPMScheduler,
    lessons: TrainingSet,
    rows: torch.Tensor,
    lean: bool,
    offset: float,
) -> torch.Tensor:
    """The min-SNR weighted epsilon loss of these rows; draws timesteps, noise and dropped captions itself.

    With `lean` the noisiest timesteps come more often and weigh more; `offset` is the std of noise that is the same
    all over a channel; see UnetPlan for both.
    """
    latents = lessons.latents[rows]
    count = len(rows)
    noise = torch.randn_like(latents) + offset * torch.randn(*latents.shape[:2], 1, 1)
    # One timestep from each of `count` equal spans: the same mean as independent draws, less noise between steps.
    spans = (torch.arange(count) + torch.rand(count)) / count
    timesteps = ((spans**0.7 if lean else spans) * SCHEDULER["num_train_timesteps"]).long()
    told = (torch.rand(count) >= NO_CAPTION).float()
    hidden, pooled = encode_captions(pipe, lessons.ids[rows], lessons.ids_2[rows], told)
    guess = pipe.unet(
        noise_schedule.add_noise(latents, noise, timesteps),
        timesteps,
        encoder_hidden_states=hidden,
        added_cond_kwargs={"text_embeds": pooled, "time_ids": lessons.time_ids[rows]},
    ).sample
    kept = noise_schedule.alphas_cumprod[timesteps]
    snr = kept / (1 - kept)
    weight = snr.clamp(max=GAMMA) / snr
    if lean:
        weight = weight * (1 + 1 / snr).sqrt()
    each = mse_loss(guess, noise, reduction="none").mean(dim=(1, 2, 3))
    return (weight * each).mean() / weight.mean()


def train_unet(pipe: StableDiffusionXLPipeline, lessons: TrainingSet, state: Path, plan: UnetPlan = UnetPlan()) -> None:
    """Trains U-Net and both encoders in place; goes on from `state` if it exists; ends on the averaged weights."""
    modules = (pipe.unet, pipe.text_encoder, pipe.text_encoder_2)
    parameters = [p for module in modules for p in module.parameters()]
    optimizer = torch.optim.AdamW(parameters, lr=plan.rate, betas=(0.9, 0.99), weight_decay=0.01)
    average = Average(*modules, decay=0.998)
    done = _go_on(state, parameters, optimizer, average) if state.exists() else 0
    schedule = DDPMScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear")
    log = StageLog("unet", plan.steps, every=100)
    for step in range(done + 1, plan.steps + 1):
        torch.manual_seed(plan.seed * 1_000_003 + step)  # a step's draws depend on its number alone
        for group in optimizer.param_groups:
            group["lr"] = plan.rate_at(step)
        rows = torch.randint(0, len(lessons.latents), (plan.batch,))
        loss = loss_of(pipe, schedule, lessons, rows, step > plan.even_steps, plan.offset_at(step))
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        average.update()
        log.step(step, loss.item())
        if step % plan.keep == 0 or step == plan.steps:
            _keep(state, parameters, optimizer, average, step)
    average.swap()


def _keep(
    state: Path, parameters: list[torch.nn.Parameter], optimizer: torch.optim.Optimizer, average: Average, step: int
) -> None:
    """Writes everything that a continuation needs, aside and then in place."""
    tensors = {f"weight.{i}": one.detach() for i, one in enumerate(parameters)}
    tensors |= {f"mean.{i}": one for i, one in enumerate(average.mean)}
    for i, one in enumerate(parameters):
        tensors |= {f"optimizer.{i}.{key}": value for key, value in optimizer.state[one].items()}
    aside = state.with_suffix(".part")
    save_file({name: one.contiguous() for name, one in tensors.items()} | {"step": torch.tensor(step)}, aside)
    aside.replace(state)


@torch.no_grad()
def _go_on(
    state: Path, parameters: list[torch.nn.Parameter], optimizer: torch.optim.Optimizer, average: Average
) -> int:
    """Puts back what `_keep` wrote; returns the step it was written after."""
    saved = load_file(state)
    for i, one in enumerate(parameters):
        one.copy_(saved[f"weight.{i}"])
        average.mean[i].copy_(saved[f"mean.{i}"])
        if f"optimizer.{i}.step" in saved:  # the first encoder's last layer is never read and has no state
            optimizer.state[one] = {key: saved[f"optimizer.{i}.{key}"] for key in ("step", "exp_avg", "exp_avg_sq")}
    average.updates = int(saved["step"])
    return average.updates
