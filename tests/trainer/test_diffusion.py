"""Noise, targets and weights: the formulas of the papers and of diffusers' own scheduler."""

from __future__ import annotations

import pytest
import torch
from diffusers import DDPMScheduler, EulerDiscreteScheduler

from trainer.contract.basemodel import small_model
from trainer.diffusion import Diffusion
from trainer.model import ModelError

CPU = torch.device("cpu")


def scheduler(**own: object) -> EulerDiscreteScheduler:
    found = EulerDiscreteScheduler.from_pretrained(small_model(), subfolder="scheduler")
    return EulerDiscreteScheduler.from_config(found.config, **own)


def batch() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    start = torch.Generator().manual_seed(0)
    latents, noise = (torch.randn(4, 4, 8, 8, generator=start) for _ in range(2))
    return latents, noise, torch.tensor([0, 1, 500, 999])


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction"])
def test_noise_and_target_are_those_of_diffusers(prediction: str) -> None:
    own = scheduler(prediction_type=prediction)
    ours, theirs = Diffusion(own, 0.0, CPU), DDPMScheduler.from_config(own.config)
    latents, noise, t = batch()
    assert torch.allclose(ours.noisy(latents, noise, t), theirs.add_noise(latents, noise, t), atol=1e-6)
    expected = noise if prediction == "epsilon" else theirs.get_velocity(latents, noise, t)
    assert torch.allclose(ours.target(latents, noise, t), expected, atol=1e-6)


def test_min_snr_weights_are_those_of_the_paper() -> None:
    t = torch.arange(1000)
    kept = DDPMScheduler.from_config(scheduler().config).alphas_cumprod.double()
    snr = kept / (1 - kept)
    capped = snr.clamp(max=5.0)
    eps = Diffusion(scheduler(), 5.0, CPU).weight(t)
    assert torch.allclose(eps, (capped / snr).float())
    v = Diffusion(scheduler(prediction_type="v_prediction"), 5.0, CPU).weight(t)
    assert torch.allclose(v, (capped / (snr + 1)).float())
    assert torch.equal(Diffusion(scheduler(), 0.0, CPU).weight(t), torch.ones(1000))


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction"])
def test_zero_terminal_snr_divides_by_nothing(prediction: str) -> None:
    own = scheduler(prediction_type=prediction, rescale_betas_zero_snr=True, timestep_spacing="trailing")
    ours = Diffusion(own, 5.0, CPU)
    latents, noise, t = batch()
    assert float(ours.kept[-1]) == 0.0
    assert torch.isfinite(ours.weight(torch.arange(1000))).all()
    assert torch.equal(ours.noisy(latents, noise, t)[-1], noise[-1])


def test_the_loss_of_each_sample_is_its_own_weighted_mean() -> None:
    ours = Diffusion(scheduler(), 5.0, CPU)
    latents, noise, t = batch()
    losses = ours.losses(latents, noise, t)
    for place in range(4):
        expected = (latents[place] - noise[place]).square().mean() * ours.weight(t)[place]
        assert float(losses[place]) == pytest.approx(float(expected))


def test_another_prediction_type_is_refused() -> None:
    with pytest.raises(ModelError, match="sample"):
        Diffusion(scheduler(prediction_type="sample"), 0.0, CPU)
