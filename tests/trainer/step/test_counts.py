"""What a step costs, counted: operations and waits for the device, against PEFT and prodigyopt on the same model."""

from __future__ import annotations

import io
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from diffusers import UNet2DConditionModel
from peft import LoraConfig
from prodigyopt import Prodigy
from torch.nn import functional

from tests.trainer.model.test_adapters import inputs
from tests.trainer.step.test_optimizer import CountOps
from trainer.contract.basemodel.inspect import small_model
from trainer.contract.settings.config import TrainConfig
from trainer.data.dataset import ViewPlan, read_dataset
from trainer.data.latents import LatentCache
from trainer.ground.world import World
from trainer.model.parts import fix_pooling, load_parts
from trainer.model.prompts import PromptCache
from trainer.step.step import Stepper
from trainer.step.trainee import make_trainee


def stepper(own: TrainConfig, folder: Path) -> Stepper:
    parts = load_parts(own, torch.device("cpu"))
    fix_pooling(parts.text_encoders, parts.tokenizers)
    trainee = make_trainee(parts, own)
    plan = ViewPlan(read_dataset(own), (), own)
    latents = LatentCache(folder, own.dataset.background)
    latents.use(parts.vae, parts.device)
    latents.fill([view for step in (1, 2, 3) for view in plan.micro_batch(step, 0)], lambda done, all: None)
    return Stepper(parts, trainee, plan, latents, PromptCache(parts), own, World())


def ours(own: TrainConfig, folder: Path) -> list[str]:
    steps = stepper(own, folder)
    steps.take(1)
    with CountOps() as seen:
        steps.take(2)
    return seen.names


def reference() -> list[str]:
    """PEFT's LoRA on the same unet, one tensor after the other through prodigyopt: what a step is elsewhere."""
    unet = UNet2DConditionModel.from_pretrained(small_model(), subfolder="unet").requires_grad_(False)
    unet.add_adapter(LoraConfig(r=4, lora_alpha=4, target_modules=["to_q", "to_k", "to_v", "to_out.0"]))
    trained = [one for one in unet.parameters() if one.requires_grad]
    with redirect_stdout(io.StringIO()):
        optimizer = Prodigy(trained, lr=1.0, weight_decay=0.01, use_bias_correction=True, safeguard_warmup=True)
    own = inputs(unet)

    def take() -> None:
        optimizer.zero_grad()
        functional.mse_loss(unet(**own).sample, own["sample"]).backward()
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()

    take()
    with CountOps() as seen:
        take()
    return seen.names


def waits(names: list[str]) -> int:
    return sum("_local_scalar_dense" in name for name in names)


@pytest.mark.slow
def test_a_whole_step_waits_for_nothing(settings: Callable[..., TrainConfig], tmp_path: Path) -> None:
    # test_no_wait.py counts what takes no operation on the CPU too
    assert waits(ours(settings(), tmp_path)) == 0
    assert waits(reference()) > 100


@pytest.mark.slow
def test_a_whole_step_with_both_text_encoders_takes_fewer_operations_than_the_unet_alone_elsewhere(
    settings: Callable[..., TrainConfig], tmp_path: Path
) -> None:
    mine, theirs = len(ours(settings(), tmp_path)), len(reference())
    print(f"\noperations a step: {mine} with both encoders, {theirs} for PEFT and prodigyopt on the unet alone")
    assert mine < theirs


@pytest.mark.slow
def test_more_repeats_hold_no_more_pictures(settings: Callable[..., TrainConfig], tmp_path: Path) -> None:
    one, many = settings(dataset__repeats=1), settings(dataset__repeats=50)
    for own in (one, many):
        steps = stepper(own, tmp_path / str(own.dataset.repeats))
        for step in (1, 2, 3):
            steps.take(step)
        files = list((tmp_path / str(own.dataset.repeats)).iterdir())
        assert len(files) <= 5  # one for each picture, however often it is seen


def test_a_dropped_caption_is_trained_as_the_model_samples_without_a_prompt(
    settings: Callable[..., TrainConfig], tmp_path: Path
) -> None:
    own = settings(dataset__caption_dropout=0.5, train__batch=8)
    steps = stepper(own, tmp_path)
    words = steps._words(steps._maker.make(1, 0, slice(0, 8)))
    empty = [not bool(one.any()) for one in words.hidden]
    assert empty == [not bool(one.any()) for one in words.pooled]
    assert 0 < sum(empty) < 8


@pytest.mark.slow
def test_stratified_timesteps_are_spread_over_the_step(settings: Callable[..., TrainConfig], tmp_path: Path) -> None:
    steps = stepper(settings(train__timesteps="stratified", train__batch=4), tmp_path)
    for step in (1, 2, 3):
        times = [steps._maker.timestep(view) for view in steps._plan.micro_batch(step, 0)]
        assert sorted(one // 250 for one in times) == [0, 1, 2, 3]


@pytest.mark.slow
def test_noise_in_pairs_is_opposite_within_a_step_and_else_as_it_was(
    settings: Callable[..., TrainConfig], tmp_path: Path
) -> None:
    own = {"train__noise_offset": 0.1, "train__batch": 5}
    alone, paired = (stepper(settings(train__noise_pairs=one, **own), tmp_path) for one in (False, True))
    deep = stepper(settings(train__noise_pairs=True, **own | {"train__batch": 1, "train__accumulation": 5}), tmp_path)
    for step in (1, 2):
        before, after = (
            [each._maker._noise((4, 8, 8), view) for view in each._plan.micro_batch(step, 0)]
            for each in (alone, paired)
        )
        assert all(torch.equal(before[place], after[place]) for place in (0, 2, 4))
        assert all(torch.equal(after[place], -after[place - 1]) for place in (1, 3))
        passes = [view for micro in range(5) for view in deep._plan.micro_batch(step, micro)]
        assert all(
            torch.equal(one, deep._maker._noise((4, 8, 8), view)) for one, view in zip(after, passes, strict=True)
        )
        prior = replace(passes[1], prior=True)
        assert not torch.equal(deep._maker._noise((4, 8, 8), prior), after[1])  # class pictures have pairs of their own
        first = replace(passes[0], prior=True)
        assert torch.equal(deep._maker._noise((4, 8, 8), prior), -deep._maker._noise((4, 8, 8), first))
