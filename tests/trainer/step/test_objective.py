"""Losses, timesteps and noises of other kinds: each beside its formula, and nothing changed where none is chosen."""

from __future__ import annotations

import math

import pytest
import torch

from tests.trainer.step.test_diffusion import CPU, batch, scheduler
from trainer.contract.plan.advice import refusals
from trainer.contract.settings.config import TrainConfig
from trainer.contract.settings.objective import Loss, Noise
from trainer.ground import draws
from trainer.step.diffusion import Discrete, losses, timestep
from trainer.step.noise import perturbed, with_coarse


@pytest.mark.parametrize("schedule", ["snr", "constant"])
@pytest.mark.parametrize("function", ["huber", "smooth-l1"])
def test_huber_losses_are_those_of_the_formula(function: str, schedule: str) -> None:
    process, (answer, target, t) = Discrete(scheduler(), 0.0, CPU), batch()
    own = Loss(function=function, huber_c=0.2, huber_schedule=schedule)  # type: ignore[arg-type]
    found = losses(process, answer, target, t, own)
    for number, level in enumerate(t.tolist()):
        kept = float(process.kept[level])
        sigma = math.sqrt((1 - kept) / kept)
        c = 0.2 if schedule == "constant" else (1 - 0.2) / (1 + sigma) ** 2 + 0.2
        x = (answer[number] - target[number]).double()
        value = 2 * ((x**2 + c**2).sqrt() - c) * (c if function == "huber" else 1)
        assert float(found[number]) == pytest.approx(float(value.mean()), rel=1e-5)


def test_l2_is_what_it_was() -> None:
    process, (answer, target, t) = Discrete(scheduler(), 5.0, CPU), batch()
    expected = (answer - target).square().mean(dim=(1, 2, 3)) * process.weight(t)
    assert torch.equal(losses(process, answer, target, t), expected)


def test_huber_at_zero_terminal_snr_is_finite() -> None:
    process = Discrete(scheduler(prediction_type="v_prediction", rescale_betas_zero_snr=True), 0.0, CPU)
    answer, target, _ = batch()
    t = torch.tensor([0, 500, 998, 999])
    assert torch.isfinite(losses(process, answer, target, t, Loss(function="huber"))).all()


def test_debiased_weights_are_those_of_the_paper() -> None:
    t = torch.arange(1000)
    process = Discrete(scheduler(), 0.0, CPU, debiased=True)
    snr = (process.kept / (1 - process.kept)).clamp(max=1000)
    assert torch.allclose(process.weight(t), (1 / snr.sqrt()).float())
    v = Discrete(scheduler(prediction_type="v_prediction"), 0.0, CPU, debiased=True)
    assert torch.allclose(v.weight(t), (1 / (snr + 1)).float())
    both = TrainConfig.model_validate({"loss": {"debiased": True}, "model": {"base": "sdxl-small"}})
    (said,) = refusals(both)
    assert said.startswith("loss.debiased") and "train.min_snr_gamma" in said


def test_timesteps_keep_to_their_range_and_follow_their_density() -> None:
    plain = Loss()
    levels = [(number + 0.5) / 4000 for number in range(4000)]
    assert [timestep(plain, 1000, level) for level in levels[::4]] == list(range(1000))
    own = Loss(timestep_low=200, timestep_high=600)
    found = [timestep(own, 1000, level) for level in levels]
    assert (min(found), max(found)) == (200, 599) and len(set(found)) == 400
    for bias in (1.0, 2.0, -1.0, -2.0):
        share = sum(timestep(Loss(timestep_bias=bias), 1000, level) >= 500 for level in levels) / len(levels)
        upper = 1 - 0.5 ** (1 + abs(bias))  # the integral of (1 + b) u**b over the upper half
        assert share == pytest.approx(upper if bias > 0 else 1 - upper, abs=2e-3)
    with pytest.raises(ValueError, match="no timestep between"):
        Loss(timestep_low=600, timestep_high=600)


def test_coarse_noise_is_sums_of_noises_of_half_the_size() -> None:
    noise, own = draws.normal((4, 16, 24), 0, "noise", 1), Noise(multires_iterations=2, multires_discount=0.5)
    found = with_coarse(noise, own, 3, (1, 2, 0))
    expected = noise.clone()
    for number in (1, 2):
        coarse = draws.normal((4, 16 >> number, 24 >> number), 3, "coarse", 1, 2, 0, number)
        expected += 0.5**number * torch.nn.functional.interpolate(coarse[None], size=(16, 24), mode="bilinear")[0]
    torch.testing.assert_close(found, expected / expected.std())
    assert torch.equal(found, with_coarse(noise, own, 3, (1, 2, 0)))
    assert not torch.equal(found, with_coarse(noise, own, 3, (1, 3, 0)))
    assert with_coarse(noise, Noise(), 3, (1, 2, 0)) is noise
    many = with_coarse(draws.normal((4, 2, 2), 0, "noise", 1), Noise(multires_iterations=10), 3, (1,))
    assert torch.isfinite(many).all()


def test_what_is_shown_is_perturbed_by_noise_of_its_own() -> None:
    noise = draws.normal((4, 8, 8), 0, "noise", 1)
    found = perturbed(noise, Noise(perturbation=0.1), 5, (1, 2, 0))
    assert torch.equal(found, noise + 0.1 * draws.normal((4, 8, 8), 5, "perturbation", 1, 2, 0))
    assert perturbed(noise, Noise(), 5, (1, 2, 0)) is noise
