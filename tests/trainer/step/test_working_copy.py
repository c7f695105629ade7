"""The working copy in bf16: a step's gradients are to the bit those of layers that cast their own numbers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.bench.operations import counted, ours
from tests.trainer.model.full_depth import Operations, full_depth_inputs, full_depth_unet
from tests.trainer.step.test_counts import stepper
from trainer.contract.settings.config import TrainConfig
from trainer.model.adapters import add_lora
from trainer.step.flat_group import FlatGroup
from trainer.step.trainee import _named
from trainer.step.working_copy import WorkingCopy

BF16 = {"train__precision": "bf16", "train__batch": 1}


@pytest.mark.slow
@pytest.mark.parametrize(
    "own",
    [
        {"train__accumulation": 2},
        {"train__dora": True, "train__dora_axis": "output", "train__alpha": 2.0},
        {"pivotal__enabled": False, "text_encoder_lora__enabled": True, "train__dropout": 0.3},
    ],
)
def test_a_step_is_that_of_layers_that_cast_their_own(
    settings: Callable[..., TrainConfig], tmp_path: Path, own: dict[str, Any]
) -> None:
    with_copy, without = (stepper(settings(**BF16, **own), tmp_path) for _ in range(2))
    for each in (with_copy, without):
        each._trainee.fused.undo()
    for copy in without._trainee.copies.values():
        copy.end()
    for step in (1, 2, 3):
        found, expected = (one.outcome(one.take(step)) for one in (with_copy, without))
        assert (found.loss, found.grad_norm) == (expected.loss, expected.grad_norm)
    for one, other in zip(with_copy._trainee.groups, without._trainee.groups, strict=True):
        assert bool(one.grad.any())
        assert torch.equal(one.grad, other.grad)
        assert torch.equal(one.data, other.data)


@pytest.mark.slow
def test_in_bf16_a_pass_casts_once_and_not_for_every_layer() -> None:
    unet = full_depth_unet(torch.bfloat16)
    layers = add_lora(unet, TrainConfig.model_validate({"train": {"rank": 8, "targets": "attention"}}))
    copy = WorkingCopy(FlatGroup.of("unet", _named(layers), 1.0, 0.0), layers, torch.bfloat16, [unet])
    inputs = full_depth_inputs(torch.bfloat16)
    counts = []
    for _ in range(2):
        with Operations() as seen:
            unet(**inputs)
        counts.append(seen.count)
        copy.end()
    # two numbers a layer, of 560 layers, in the pass alone
    assert counts[1] - counts[0] == 2 * len(layers) - 1


@pytest.mark.slow
def test_a_step_after_the_pivot_takes_few_operations() -> None:
    take = ours(fused=True)(torch.bfloat16)
    take()
    found = counted(take)
    print(f"\nforward, backward and optimizer at full depth in bf16: {found} operations")
    assert found <= 4_700
