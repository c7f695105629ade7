"""Noise, targets and weights: the formulas of the papers and of diffusers' own scheduler."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace

import pytest
import torch
from diffusers import (
    DDPMScheduler,
    EDMDPMSolverMultistepScheduler,
    EDMEulerScheduler,
    EulerDiscreteScheduler,
)

from trainer.contract.basemodel.inspect import small_model
from trainer.contract.settings.config import TrainConfig
from trainer.model.errors import ModelError
from trainer.model.scaling import LatentScale
from trainer.step.diffusion import Discrete, EdmStyle, Preconditioned, losses, make_diffusion

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
    ours, theirs = Discrete(own, 0.0, CPU), DDPMScheduler.from_config(own.config)
    latents, noise, t = batch()
    assert torch.allclose(ours.noisy(latents, noise, t), theirs.add_noise(latents, noise, t), atol=1e-6)
    expected = noise if prediction == "epsilon" else theirs.get_velocity(latents, noise, t)
    assert torch.allclose(ours.target(latents, noise, t), expected, atol=1e-6)


def test_min_snr_weights_are_those_of_the_paper() -> None:
    t = torch.arange(1000)
    kept = DDPMScheduler.from_config(scheduler().config).alphas_cumprod.double()
    snr = kept / (1 - kept)
    capped = snr.clamp(max=5.0)
    eps = Discrete(scheduler(), 5.0, CPU).weight(t)
    assert torch.allclose(eps, (capped / snr).float())
    v = Discrete(scheduler(prediction_type="v_prediction"), 5.0, CPU).weight(t)
    assert torch.allclose(v, (capped / (snr + 1)).float())
    assert torch.equal(Discrete(scheduler(), 0.0, CPU).weight(t), torch.ones(1000))


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction"])
def test_zero_terminal_snr_divides_by_nothing(prediction: str) -> None:
    own = scheduler(prediction_type=prediction, rescale_betas_zero_snr=True, timestep_spacing="trailing")
    ours = Discrete(own, 5.0, CPU)
    latents, noise, t = batch()
    assert float(ours.kept[-1]) == 0.0
    assert torch.isfinite(ours.weight(torch.arange(1000))).all()
    assert torch.equal(ours.noisy(latents, noise, t)[-1], noise[-1])


def test_the_loss_of_each_sample_is_its_own_weighted_mean() -> None:
    ours = Discrete(scheduler(), 5.0, CPU)
    latents, noise, t = batch()
    found = losses(ours, latents, noise, t)
    for place in range(4):
        expected = (latents[place] - noise[place]).square().mean() * ours.weight(t)[place]
        assert float(found[place]) == pytest.approx(float(expected))


def test_another_prediction_type_is_refused(settings: Callable[..., TrainConfig]) -> None:
    with pytest.raises(ModelError, match="sample"):
        make_diffusion(scheduler(prediction_type="sample"), settings(), CPU)


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction"])
@pytest.mark.parametrize("schedule", ["karras", "exponential"])
def test_a_preconditioned_model_is_trained_on_edms_loss(prediction: str, schedule: str) -> None:
    levels = EDMEulerScheduler(prediction_type=prediction, sigma_schedule=schedule)
    ours = Preconditioned(levels, CPU)
    latents, noise, t = batch()
    answer = torch.randn(latents.shape, generator=torch.Generator().manual_seed(1))
    assert torch.allclose(ours.times(t), levels.timesteps[t])
    # the paper's words: D = c_skip x + c_out F, loss (D - y)^2 (sigma^2 + s^2) / (sigma s)^2, in float64
    sigma = levels.sigmas[t].double().view(-1, 1, 1, 1)
    x = latents.double() + sigma * noise.double()
    denoised = levels.precondition_outputs(x, answer.double(), sigma)
    weight = (sigma**2 + 0.5**2) / (sigma * 0.5) ** 2
    expected = (weight * (denoised - latents.double()) ** 2).mean(dim=(1, 2, 3))
    assert torch.allclose(ours.noisy(latents, noise, t).double(), levels.precondition_inputs(x, sigma), rtol=1e-5)
    found = losses(ours, answer, ours.target(latents, noise, t), t)
    assert torch.allclose(found.double(), expected, rtol=1e-4)


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction"])
def test_edm_by_choice_weighs_the_denoised_picture(prediction: str) -> None:
    own = scheduler(prediction_type=prediction)
    ours = EdmStyle(own, CPU)
    latents, noise, t = batch()
    answer = torch.randn(latents.shape, generator=torch.Generator().manual_seed(1))
    kept = ours.kept[t].view(-1, 1, 1, 1)
    sigma = ((1 - kept) / kept).sqrt()
    x = latents.double() + sigma * noise.double()
    inside = answer.double()
    denoised = x - sigma * inside
    if prediction == "v_prediction":
        denoised = x / (sigma**2 + 1) - sigma / (sigma**2 + 1).sqrt() * inside
    expected = ((denoised - latents.double()) ** 2 / sigma**2).mean(dim=(1, 2, 3))
    assert torch.allclose(ours.noisy(latents, noise, t).double(), x / (sigma**2 + 1).sqrt(), atol=1e-5)
    found = losses(ours, answer, ours.target(latents, noise, t), t)
    assert torch.allclose(found.double(), expected, rtol=1e-4)


def test_the_schedulers_name_decides_before_the_settings(settings: Callable[..., TrainConfig]) -> None:
    assert isinstance(make_diffusion(EDMEulerScheduler(), settings(), CPU), Preconditioned)
    assert isinstance(make_diffusion(EDMDPMSolverMultistepScheduler(), settings(), CPU), Preconditioned)
    assert isinstance(make_diffusion(scheduler(), settings(train__edm=True), CPU), EdmStyle)
    assert type(make_diffusion(scheduler(), settings(), CPU)) is Discrete


def test_latents_go_to_the_unet_and_back(settings: Callable[..., TrainConfig]) -> None:
    vae = SimpleNamespace(
        config=SimpleNamespace(
            scaling_factor=0.5, shift_factor=None, latents_mean=[1.0, 2.0, 3.0, 4.0], latents_std=[2.0, 2.0, 4.0, 4.0]
        )
    )
    scale = LatentScale(vae)
    latents = batch()[0]
    inside = scale.to_unet(latents)
    # Playground 2.5: (latents - mean) * scaling_factor / std
    assert torch.allclose(inside[:, 3], (latents[:, 3] - 4.0) * 0.5 / 4.0)
    assert torch.allclose(scale.to_vae(inside), latents, atol=1e-6)
