"""What began as zero, as every `up` does, has no copy of its start in memory, and nothing tells the difference."""

from __future__ import annotations

import pytest
import torch

from tests.trainer.model.test_adapters import small_unet
from tests.trainer.step.test_optimizer import DECAY, config, loss, toy
from trainer.contract.settings.config import TrainConfig
from trainer.model.adapters import add_lora
from trainer.step.flat_group import FlatGroup
from trainer.step.prodigy import FlatProdigy
from trainer.step.trainee import lora_group


def made(halved: bool = False, **own: object) -> tuple[FlatProdigy, tuple[dict, dict]]:
    """`halved`: what does not begin as 0 begins on numbers of bf16, as a new LoRA does."""
    named = toy()
    with torch.no_grad():
        for one in (value for group in named for value in group.values() if halved):
            one.copy_(one.bfloat16())
    groups = [FlatGroup.of(name, one, 1.0, DECAY) for name, one in zip(("unet", "embeddings"), named, strict=True)]
    return FlatProdigy(groups, config(prodigy={"d0": 1e-4, **own})), named


def go(optimizer: FlatProdigy, named: tuple[dict, dict], steps: range) -> dict[str, torch.Tensor]:
    for step in steps:
        for group in optimizer.groups:
            group.grad.zero_()
        loss(*named, step).backward()
        optimizer.step(1.0)
    return {name: one.clone() for name, one in optimizer.state_tensors().items()} | {
        f"data.{group.name}": group.data.clone() for group in optimizer.groups
    }


@pytest.mark.parametrize("slice_p", [1, 4])
def test_zeros_need_no_start(slice_p: int) -> None:
    (lean, one), (full, other) = made(slice_p=slice_p), made(slice_p=slice_p)
    for group in full.groups:  # as it was kept before: of every number
        own = full._moments[group.name]
        own.p0 = torch.cat([own.p0, torch.zeros(len(own.s) - len(own.p0))])
    saved, before = go(lean, one, range(1, 20)), go(full, other, range(1, 20))
    assert len(saved["unet.p0"]) < len(before["unet.p0"]) == len(saved["unet.s"])
    assert all(torch.equal(saved[name], before[name]) for name in saved if not name.endswith(".p0"))


def test_a_checkpoint_that_has_the_zeros_is_gone_on_from_to_the_bit() -> None:
    (lean, one), (resumed, other) = made(), made()
    go(lean, one, range(1, 10))
    state = {name: value.clone() for name, value in lean.state_tensors().items()}
    state["unet.p0"] = torch.cat([state["unet.p0"], torch.zeros(len(state["unet.s"]) - len(state["unet.p0"]))])
    for group, live in zip(resumed.groups, lean.groups, strict=True):
        group.data.copy_(live.data)
    resumed.load_tensors(state)
    assert len(resumed._moments["unet"].p0) == len(lean._moments["unet"].p0)
    went, meant = go(resumed, other, range(10, 20)), go(lean, one, range(10, 20))
    assert went.keys() == meant.keys() and all(torch.equal(went[name], meant[name]) for name in went)


def test_a_lora_that_was_begun_from_keeps_its_start() -> None:
    named = {"down": torch.nn.Parameter(torch.randn(4, 6)), "up": torch.nn.Parameter(torch.randn(6, 4))}
    optimizer = FlatProdigy([FlatGroup.of("unet", named, 1.0, DECAY)], config())
    assert torch.equal(optimizer.state_tensors()["unet.p0"], optimizer.groups[0].data)


@pytest.mark.parametrize("slice_p", [1, 4])
def test_a_start_on_numbers_of_bf16_is_kept_in_two_bytes_to_the_same_bits(slice_p: int) -> None:
    (lean, one), (full, other) = made(True, slice_p=slice_p), made(True, slice_p=slice_p)
    for own in full._moments.values():  # as it was kept before
        own.p0 = own.p0.float()
    saved, before = go(lean, one, range(1, 20)), go(full, other, range(1, 20))
    assert saved["unet.p0"].dtype == torch.bfloat16 and torch.equal(saved["unet.p0"].float(), before["unet.p0"])
    assert all(torch.equal(saved[name], before[name]) for name in saved if not name.endswith(".p0"))


@pytest.mark.parametrize("halved", [False, True])
def test_a_checkpoint_with_its_start_in_fp32_goes_on_to_the_bit(halved: bool) -> None:
    (lean, one), (resumed, other) = made(halved), made(halved)
    go(lean, one, range(1, 10))
    state = {name: value.float() if name.endswith(".p0") else value for name, value in lean.state_tensors().items()}
    for group, live in zip(resumed.groups, lean.groups, strict=True):
        group.data.copy_(live.data)
    resumed.load_tensors({name: value.clone() for name, value in state.items()})
    assert (resumed._moments["unet"].p0.dtype == torch.bfloat16) is halved  # what bf16 has not stays as it was
    went, meant = go(resumed, other, range(10, 20)), go(lean, one, range(10, 20))
    assert all(torch.equal(went[name], meant[name]) for name in meant)


def test_a_new_lora_begins_on_such_numbers() -> None:
    layers = add_lora(small_unet(), TrainConfig.model_validate({"train": {"rank": 3, "targets": "all-linear"}}))
    optimizer = FlatProdigy([lora_group("unet", layers, 1.0, DECAY)], config())
    p0 = optimizer.state_tensors()["unet.p0"]
    assert p0.dtype == torch.bfloat16 and len(p0) == sum(one.down.numel() for one in layers.values())
