"""Noise, timesteps, targets and loss weights: what the unet is asked for and how much each answer counts."""

from __future__ import annotations

from typing import Any

import torch
from torch.nn import functional

from trainer.model import ModelError


class Diffusion:
    """The forward process of a base model, read from its scheduler's configuration."""

    def __init__(self, scheduler: Any, min_snr_gamma: float, device: torch.device) -> None:
        """Raises ModelError for a prediction type other than epsilon and v_prediction."""
        from diffusers import DDPMScheduler

        # the sampler's own table may be nudged off zero terminal SNR; DDPM's is exact
        table = DDPMScheduler.from_config(scheduler.config).alphas_cumprod
        self.kept = table.double().to(device)  # alpha bar
        self.prediction = scheduler.config.prediction_type
        if self.prediction not in ("epsilon", "v_prediction"):
            raise ModelError(f"the base model predicts '{self.prediction}'; epsilon and v_prediction can be trained")
        self._gamma = min_snr_gamma

    @property
    def timesteps(self) -> int:
        """How many there are, 1000 in SDXL."""
        return len(self.kept)

    def noisy(self, latents: torch.Tensor, noise: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        """sqrt(a) * latents + sqrt(1 - a) * noise; latents and noise (n, 4, h, w) in fp32, t (n,)."""
        kept = self._column(self.kept[t], latents)
        return kept.sqrt() * latents + (1 - kept).sqrt() * noise

    def target(self, latents: torch.Tensor, noise: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        """The noise, or the velocity sqrt(a) * noise - sqrt(1 - a) * latents."""
        if self.prediction == "epsilon":
            return noise
        kept = self._column(self.kept[t], latents)
        return kept.sqrt() * noise - (1 - kept).sqrt() * latents

    def weight(self, t: torch.Tensor) -> torch.Tensor:
        """The weight of each timestep's loss, fp32 (n,): min-SNR (Hang et al. 2023), or 1 where gamma is 0.

        epsilon: min(snr, g) / snr; v-prediction: min(snr, g) / (snr + 1). At zero SNR the first is its limit, 1.
        """
        if not self._gamma:
            return torch.ones(t.shape, device=t.device)
        kept = self.kept[t]
        snr = kept / (1 - kept)
        if self.prediction == "v_prediction":
            return (snr.clamp(max=self._gamma) / (snr + 1)).float()
        return (self._gamma / snr).clamp(max=1.0).float()

    def losses(self, answer: torch.Tensor, target: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        """The weighted mean squared error of each sample, fp32 (n,)."""
        errors = functional.mse_loss(answer.float(), target.float(), reduction="none")
        return errors.mean(dim=(1, 2, 3)) * self.weight(t)

    @staticmethod
    def _column(values: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
        return values.to(like.dtype).view(-1, 1, 1, 1)
