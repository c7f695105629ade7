"""Noise, timesteps, targets and loss weights: what the unet is asked for and how much each answer counts."""

from __future__ import annotations

from typing import Any, Protocol

import torch
from torch.nn import functional

from trainer.contract.basemodel.loss import PREDICTIONS, is_edm_scheduler
from trainer.contract.settings.config import TrainConfig
from trainer.model.errors import ModelError


class Diffusion(Protocol):
    """The forward process of a base model; t counts its noise levels from 0, latents and noise are (n, 4, h, w)."""

    timesteps: int  # how many noise levels there are, 1000 in SDXL

    def times(self, t: torch.Tensor) -> torch.Tensor:
        """What the unet is told of each noise level, (n,)."""

    def noisy(self, latents: torch.Tensor, noise: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        """What the unet is shown, scaled as it wants it; fp32."""

    def target(self, latents: torch.Tensor, noise: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        """What the unet should answer; fp32."""

    def weight(self, t: torch.Tensor) -> torch.Tensor:
        """How much the squared error at each noise level counts, fp32 (n,)."""


def make_diffusion(scheduler: Any, config: TrainConfig, device: torch.device) -> Diffusion:
    """The forward process that `scheduler`, the base model's, was made for, with the loss of the settings.

    A scheduler of the EDM family means a preconditioned model whatever the settings say. Raises ModelError for a
    prediction type other than epsilon and v_prediction.
    """
    prediction = scheduler.config.prediction_type
    if prediction not in PREDICTIONS:
        raise ModelError(f"the base model predicts '{prediction}'; epsilon and v_prediction can be trained")
    if is_edm(scheduler):
        return Preconditioned(scheduler, device)
    if config.train.edm:
        return EdmStyle(scheduler, device)
    return Discrete(scheduler, config.train.min_snr_gamma, device)


def is_edm(scheduler: Any) -> bool:
    """Whether the base model was trained with EDM's preconditioning, which its scheduler's name says."""
    return is_edm_scheduler(type(scheduler).__name__)


def losses(process: Diffusion, answer: torch.Tensor, target: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
    """The weighted mean squared error of each sample, fp32 (n,)."""
    errors = functional.mse_loss(answer.float(), target.float(), reduction="none")
    return errors.mean(dim=(1, 2, 3)) * process.weight(t)


class Discrete:
    """DDPM's process, read from the scheduler's table of betas, with the min-SNR weights."""

    def __init__(self, scheduler: Any, min_snr_gamma: float, device: torch.device) -> None:
        from diffusers import DDPMScheduler

        # the sampler's own table may be nudged off zero terminal SNR; DDPM's is exact
        table = DDPMScheduler.from_config(scheduler.config).alphas_cumprod
        self.kept = table.double().to(device)  # alpha bar
        self.timesteps = len(self.kept)
        self.prediction = scheduler.config.prediction_type
        self._gamma = min_snr_gamma

    def times(self, t: torch.Tensor) -> torch.Tensor:
        """The noise level's own number."""
        return t

    def noisy(self, latents: torch.Tensor, noise: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        """sqrt(a) * latents + sqrt(1 - a) * noise."""
        kept = _column(self.kept[t], latents)
        return kept.sqrt() * latents + (1 - kept).sqrt() * noise

    def target(self, latents: torch.Tensor, noise: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        """The noise, or the velocity sqrt(a) * noise - sqrt(1 - a) * latents."""
        if self.prediction == "epsilon":
            return noise
        kept = _column(self.kept[t], latents)
        return kept.sqrt() * noise - (1 - kept).sqrt() * latents

    def weight(self, t: torch.Tensor) -> torch.Tensor:
        """Min-SNR (Hang et al. 2023), or 1 where gamma is 0.

        epsilon: min(snr, g) / snr; v-prediction: min(snr, g) / (snr + 1). At zero SNR the first is its limit, 1.
        """
        if not self._gamma:
            return torch.ones(t.shape, device=t.device)
        kept = self.kept[t]
        snr = kept / (1 - kept)
        if self.prediction == "v_prediction":
            return (snr.clamp(max=self._gamma) / (snr + 1)).float()
        return (self._gamma / snr).clamp(max=1.0).float()


class EdmStyle(Discrete):
    """EDM's loss on a DDPM model, by choice: the error of the denoised picture, weighted by 1 / sigma**2.

    With sigma**2 = (1 - a) / a the denoised picture is x - sigma * answer for epsilon, so the weighted error is that
    of the noise itself; for v-prediction it is the error of the velocity times a = 1 / (sigma**2 + 1).
    """

    def __init__(self, scheduler: Any, device: torch.device) -> None:
        super().__init__(scheduler, 0.0, device)

    def weight(self, t: torch.Tensor) -> torch.Tensor:
        """1 for epsilon, a for v-prediction."""
        return self.kept[t].float() if self.prediction == "v_prediction" else super().weight(t)


class Preconditioned:
    """EDM (Karras et al. 2022, table 1), with the noise levels of the base model's own scheduler.

    With x = latents + sigma * noise and s = sigma_data, the model is D = c_skip * x + c_out * unet(c_in * x) and the
    loss (D - latents)**2 * (sigma**2 + s**2) / (sigma * s)**2. That weight is 1 / c_out**2, so the same loss is the
    plain error of the unet against (latents - c_skip * x) / c_out, which is written here without the difference of
    two large numbers: (sigma * latents - s**2 * noise) / (s * sqrt(sigma**2 + s**2)).
    """

    def __init__(self, scheduler: Any, device: torch.device) -> None:
        from diffusers import EDMEulerScheduler

        levels = EDMEulerScheduler.from_config(scheduler.config)  # of all the family, the same table
        self.timesteps = levels.config.num_train_timesteps
        self.sigmas = levels.sigmas[: self.timesteps].double().to(device)
        self._data = float(levels.config.sigma_data)
        # the scheduler turns c_out's sign round for v-prediction
        self._sign = -1.0 if scheduler.config.prediction_type == "v_prediction" else 1.0

    def times(self, t: torch.Tensor) -> torch.Tensor:
        """log(sigma) / 4, fp32: a whole number would be another noise level."""
        return (self.sigmas[t].log() / 4).float()

    def noisy(self, latents: torch.Tensor, noise: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        """(latents + sigma * noise) / sqrt(sigma**2 + s**2)."""
        sigma = _column(self.sigmas[t], latents)
        return (latents + sigma * noise) / (sigma**2 + self._data**2).sqrt()

    def target(self, latents: torch.Tensor, noise: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        """(sigma * latents - s**2 * noise) / (s * sqrt(sigma**2 + s**2)), negative for v-prediction."""
        sigma, data = _column(self.sigmas[t], latents), self._data
        return self._sign * (sigma * latents - data**2 * noise) / (data * (sigma**2 + data**2).sqrt())

    def weight(self, t: torch.Tensor) -> torch.Tensor:
        """1: the target has it already."""
        return torch.ones(t.shape, device=t.device)


def _column(values: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    return values.to(like.dtype).view(-1, 1, 1, 1)
