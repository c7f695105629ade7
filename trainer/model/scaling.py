"""Between the VAE's latents and the unet's: the factor, and where a model has them, shift, mean and spread."""

from __future__ import annotations

from typing import Any

import torch


class LatentScale:
    """What a VAE's configuration says of its latents; shapes are (..., 4, h, w) on both sides."""

    def __init__(self, vae: Any) -> None:
        own = vae.config
        self._factor: float = own.scaling_factor
        self._shift: float | torch.Tensor = getattr(own, "shift_factor", None) or 0.0
        mean, std = getattr(own, "latents_mean", None), getattr(own, "latents_std", None)
        if mean is not None and std is not None:  # Playground 2.5, the EDM model of SDXL's family
            self._shift = torch.tensor(mean).view(-1, 1, 1)
            self._spread: torch.Tensor | None = torch.tensor(std).view(-1, 1, 1)
        else:
            self._spread = None

    def to_unet(self, latents: torch.Tensor) -> torch.Tensor:
        """(latents - mean) * factor / std."""
        scaled = (latents - _there(self._shift, latents)) * self._factor
        return scaled if self._spread is None else scaled / _there(self._spread, latents)

    def to_vae(self, latents: torch.Tensor) -> torch.Tensor:
        """The way back: latents * std / factor + mean."""
        scaled = latents if self._spread is None else latents * _there(self._spread, latents)
        scaled = scaled / self._factor
        return scaled if isinstance(self._shift, float) and not self._shift else scaled + _there(self._shift, latents)


def _there(value: float | torch.Tensor, like: torch.Tensor) -> float | torch.Tensor:
    return value if isinstance(value, float) else value.to(like.device, like.dtype)
