"""Noise, timesteps, targets and loss weights: what the unet is asked for and how much each answer counts."""

from __future__ import annotations

from typing import Any, Protocol

import torch
from torch.nn import functional

from trainer.contract.basemodel.loss import PREDICTIONS, is_edm_scheduler
from trainer.contract.settings.config import TrainConfig
from trainer.contract.settings.objective import Loss
from trainer.model.errors import ModelError

PLAIN = Loss()
THOUSAND = 1000  # timesteps of SDXL, in which the settings count


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
        """How much the error at each noise level counts, fp32 (n,)."""

    def sigma(self, t: torch.Tensor) -> torch.Tensor:
        """The spread of the noise beside a picture of spread 1, at each noise level, float64 (n,)."""


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
    return Discrete(scheduler, config.train.min_snr_gamma, device, config.loss.debiased)


def is_edm(scheduler: Any) -> bool:
    """Whether the base model was trained with EDM's preconditioning, which its scheduler's name says."""
    return is_edm_scheduler(type(scheduler).__name__)


def losses(
    process: Diffusion,
    answer: torch.Tensor,
    target: torch.Tensor,
    t: torch.Tensor,
    own: Loss = PLAIN,
    weights: torch.Tensor | None = None,
) -> torch.Tensor:
    """The weighted mean error of each sample, fp32 (n,); `weights`, (n, 1, h, w), say how much each latent counts."""
    errors = _errors(process, answer.float(), target.float(), t, own)
    if weights is not None:
        errors = errors * weights
    return errors.mean(dim=(1, 2, 3)) * process.weight(t)


def _errors(process: Diffusion, answer: torch.Tensor, target: torch.Tensor, t: torch.Tensor, own: Loss) -> torch.Tensor:
    """The error of each number, as `loss.function` counts it (kohya's pseudo-Huber: Khrapov et al. 2024)."""
    if own.function == "l2":
        return functional.mse_loss(answer, target, reduction="none")
    c = torch.full(t.shape, own.huber_c, dtype=torch.float64, device=t.device)
    if own.huber_schedule == "snr":
        c = (1 - own.huber_c) / (1 + process.sigma(t)).square() + own.huber_c
    c = _column(c, answer)
    root = ((answer - target).square() + c.square()).sqrt() - c
    return 2 * root * (c if own.function == "huber" else 1)


def timestep(own: Loss, timesteps: int, level: float) -> int:
    """The noise level of a view at `level`, its place from 0 to below 1 among all: within the range, by the bias.

    With the bias b the places have the density (1 + b) * u**b, whose inverse sum is u**(1 / (1 + b)); below 0 the
    other way round.
    """
    bias = own.timestep_bias
    if bias > 0:
        level = level ** (1 / (1 + bias))
    elif bias < 0:
        level = 1 - (1 - level) ** (1 / (1 - bias))
    low, high = (round(one * timesteps / THOUSAND) for one in (own.timestep_low, own.timestep_high))
    return min(low + int(level * (high - low)), timesteps - 1)


class Discrete:
    """DDPM's process, read from the scheduler's table of betas, with the min-SNR weights."""

    def __init__(self, scheduler: Any, min_snr_gamma: float, device: torch.device, debiased: bool = False) -> None:
        from diffusers import DDPMScheduler

        # the sampler's own table may be nudged off zero terminal SNR; DDPM's is exact
        table = DDPMScheduler.from_config(scheduler.config).alphas_cumprod
        self.kept = table.double().to(device)  # alpha bar
        self.timesteps = len(self.kept)
        self.prediction = scheduler.config.prediction_type
        self._gamma, self._debiased = min_snr_gamma, debiased

    def times(self, t: torch.Tensor) -> torch.Tensor:
        """The noise level's own number."""
        return t

    def sigma(self, t: torch.Tensor) -> torch.Tensor:
        """sqrt((1 - a) / a); infinite at zero terminal SNR."""
        return ((1 - self.kept[t]) / self.kept[t]).sqrt()

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
        """Min-SNR (Hang et al. 2023), or the debiased loss (Yu et al. 2023), or 1 where both are off.

        epsilon: min(snr, g) / snr; v-prediction: min(snr, g) / (snr + 1). At zero SNR the first is its limit, 1.
        Debiased: 1 / sqrt(snr) and 1 / (snr + 1), with an SNR between 1 / 1000 and 1000.
        """
        if not self._gamma and not self._debiased:
            return torch.ones(t.shape, device=t.device)
        kept = self.kept[t]
        snr = kept / (1 - kept)
        if self._debiased:
            snr = snr.clamp(1 / THOUSAND, THOUSAND)
            return (1 / (snr + 1) if self.prediction == "v_prediction" else snr.rsqrt()).float()
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

    def sigma(self, t: torch.Tensor) -> torch.Tensor:
        """The scheduler's own."""
        return self.sigmas[t]

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
