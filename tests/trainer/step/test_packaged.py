"""Optimizers of packages do on groups what they do on parameters, resume to the bit, and average as they say."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from typing import Any

import came_pytorch
import lion_pytorch
import prodigyplus
import pytest
import schedulefree
import torch
from prodigyopt import Prodigy
from torch import nn

from tests.bench.activations import Alive
from tests.trainer.step.test_optimizer import loss, toy
from trainer.contract.plan.advice import advice, refusals
from trainer.contract.settings.config import BY_KEY, TrainConfig, nested
from trainer.contract.settings.optimizers import OPTIMIZERS
from trainer.step.average import make_average
from trainer.step.flat_group import FlatGroup
from trainer.step.optimizer import Optimizer, make_optimizer
from trainer.step.packaged import MAKERS

STEPS, DECAY = 12, 0.01
BITSANDBYTES = importlib.util.find_spec("bitsandbytes") is not None
OURS = {"prodigy.d0": 1e-3, "prodigy.split_groups": True}
THEIRS: dict[str, Callable[[Any], torch.optim.Optimizer]] = {
    "lion": lambda sets: lion_pytorch.Lion(sets, betas=(0.9, 0.99)),
    "adafactor": lambda sets: torch.optim.Adafactor(sets),
    "came": lambda sets: came_pytorch.CAME(sets, lr=1.0),
    "adamw-schedule-free": lambda sets: schedulefree.AdamWScheduleFree(sets, betas=(0.9, 0.999)),
    "prodigy-plus-schedule-free": lambda sets: prodigyplus.ProdigyPlusScheduleFree(
        sets, betas=(0.9, 0.99), d0=1e-3, split_groups=True
    ),
}


def config(name: str, **own: Any) -> TrainConfig:
    values = OURS | {"train.optimizer": name, "train.steps": 100, "train.learning_rate": rate(name)}
    return TrainConfig.model_validate(nested(values | {key.replace("__", "."): one for key, one in own.items()}))


def rate(name: str) -> float:
    return 1.0 if OPTIMIZERS[name].finds_rate else 0.01  # type: ignore[index]


def groups(name: str) -> list[FlatGroup]:
    first, second = toy()
    return [FlatGroup.of("unet", first, rate(name), DECAY), FlatGroup.of("embeddings", second, rate(name), DECAY)]


def steps(optimizer: Optimizer, own: list[FlatGroup], numbers: range, factor: float = 1.0) -> None:
    named = [dict(zip(group.names, group.parameters, strict=True)) for group in own]
    for step in numbers:
        for group in own:
            group.grad.zero_()
        loss(named[0], named[1], step).backward()
        optimizer.step(factor)


@pytest.mark.parametrize("name", MAKERS)
def test_a_step_is_that_of_the_package(name: str) -> None:
    own, parts = groups(name), toy()
    steps(make_optimizer(own, config(name)), own, range(1, STEPS + 1))
    sets = [{"params": [*part.values()], "lr": rate(name), "weight_decay": DECAY} for part in parts]
    theirs = THEIRS[name](sets)
    if hasattr(theirs, "train"):
        theirs.train()
    for step in range(1, STEPS + 1):
        theirs.zero_grad()
        loss(*parts, step).backward()
        theirs.step()
    for group, part in zip(own, parts, strict=True):
        for key, one in zip(group.names, group.parameters, strict=True):
            torch.testing.assert_close(one, part[key], rtol=1e-6, atol=1e-7)
    assert not torch.equal(own[0].data, groups(name)[0].data)


@pytest.mark.parametrize("name", [*MAKERS, "prodigy"])
def test_a_resume_is_exact_before_and_after_the_words_are_frozen(name: str) -> None:
    """`prodigy` is the one with an estimate for each group."""
    for pivot in (False, True):
        own, other = groups(name), groups(name)
        made, again = (make_optimizer(each, config(name)) for each in (own, other))
        steps(made, own, range(1, 6))
        if pivot:
            made.freeze("embeddings")
            again.freeze("embeddings")
        state = {key: one.clone() for key, one in made.state_tensors().items()}
        for group, each in zip(own, other, strict=True):
            each.data.copy_(group.data)
        again.load_tensors(state)
        steps(made, own, range(6, 12))
        steps(again, other, range(6, 12))
        assert all(torch.equal(one.data, two.data) for one, two in zip(own, other, strict=True))
        assert list(made.rates(1.0, [float(one) for one in made.estimate()])) == (
            ["unet"] if pivot else ["unet", "embeddings"]
        )


@pytest.mark.parametrize("name", MAKERS)
def test_a_step_that_is_not_applied_changes_nothing(name: str) -> None:
    own = groups(name)
    made = make_optimizer(own, config(name))
    steps(made, own, range(1, 4))
    before, state = own[0].data.clone(), {key: one.clone() for key, one in made.state_tensors().items()}
    own[0].grad.fill_(1.0)
    made.step(1.0, torch.tensor(False))
    assert torch.equal(own[0].data, before) and all(
        torch.equal(one, state[key]) for key, one in made.state_tensors().items()
    )
    made.step(1.0, torch.tensor(True))
    assert not torch.equal(own[0].data, before)


@pytest.mark.parametrize("name", [name for name, one in OPTIMIZERS.items() if one.averages])
def test_a_schedule_free_one_brings_its_average(name: str) -> None:
    own = groups(name)
    made, other = make_optimizer(own, config(name)), config(name)
    average = make_average(own, made, other)
    assert average is not None
    steps(made, own, range(1, 9))
    raw, tensors = own[0].data.clone(), average.tensors()
    seen = dict(zip(own[0].names, own[0].parameters, strict=True))
    with average.in_place():
        assert all(torch.equal(seen[key], tensors[key]) for key in seen)
        assert not torch.equal(own[0].data, raw)
    assert torch.equal(own[0].data, raw)
    if name == "adamw-schedule-free":  # x = y + (1 - 1 / beta1) * (z - y): Defazio et al. 2024, equation 4
        state = made._inner.state  # type: ignore[attr-defined]
        z = state[made._inner.param_groups[0]["params"][0]]["z"]  # type: ignore[attr-defined]
        expected = raw + (1 - 1 / 0.9) * (z - raw)
        torch.testing.assert_close(torch.cat([tensors[key].reshape(-1) for key in own[0].names]), expected)
    average.freeze("embeddings")
    made.freeze("embeddings")
    assert any("train.ema is not used" in one for one in advice(other))
    assert any("train.schedule is cosine" in one for one in refusals(config(name, train__schedule="cosine")))


def test_each_group_has_the_estimate_that_prodigyopt_gives_it_alone() -> None:
    own = groups("prodigy")
    made = make_optimizer(own, config("prodigy"))
    steps(made, own, range(1, STEPS + 1))
    parts = toy()
    alone = [
        Prodigy(part.values(), weight_decay=DECAY, d0=1e-3, betas=(0.9, 0.99), use_bias_correction=True,
                safeguard_warmup=True, decouple=True)
        for part in parts
    ]  # fmt: skip
    for step in range(1, STEPS + 1):
        for one in alone:
            one.zero_grad()
        loss(*parts, step).backward()
        for one in alone:
            one.step()
    found = made.rates(1.0, [float(one) for one in made.estimate()])
    for group, theirs, part in zip(own, alone, parts, strict=True):
        assert found[group.name]["d"] == pytest.approx(theirs.param_groups[0]["d"], rel=1e-4)
        torch.testing.assert_close(
            group.data, torch.cat([part[key].detach().reshape(-1) for key in group.names]), rtol=1e-4, atol=1e-6
        )
    assert found["unet"]["d"] != found["embeddings"]["d"]


@pytest.mark.parametrize("name", MAKERS)
def test_what_it_keeps_and_needs_is_what_the_plan_counts(name: str) -> None:
    """Of a LoRA of rank 32 as the widest layers of SDXL have it."""
    named = {"down": nn.Parameter(torch.randn(32, 1280)), "up": nn.Parameter(torch.zeros(1280, 32))}
    group = FlatGroup.of("unet", named, 1.0, DECAY)
    made = make_optimizer([group], config(name))
    for _ in range(2):
        group.grad.normal_()
        made.step(1.0)
    numbers = group.data.numel()
    kept = [one for state in made._inner.state.values() for one in state.values() if torch.is_tensor(one)]  # type: ignore[attr-defined]
    facts = OPTIMIZERS[name]  # type: ignore[index]
    assert sum(one.numel() * one.element_size() for one in kept) / numbers == pytest.approx(facts.state, rel=0.1)
    alive = Alive()
    alive.know([*kept, group.data, group.grad])
    with alive:
        made.step(1.0)
    assert alive.peak / numbers <= facts.scratch * 1.05


def test_the_packages_of_the_extra_are_those_that_are_named() -> None:
    for name, one in OPTIMIZERS.items():
        if one.made_by:
            assert importlib.util.find_spec(one.package) and "loratui[optimizers]" in one.remedy, name


OTHER = {"beta1": 0.5, "beta2": 0.5, "beta3": 0.5, "epsilon": 1e-2, "d0": 1e-4, "d_coef": 2.0, "growth_rate": 1.02}
OTHER |= {"slice_p": 3, "safeguard_warmup": False, "bias_correction": False, "decouple": False, "split_groups": False}


@pytest.mark.parametrize("name", [one for one in OPTIMIZERS if one != "adamw-8bit" or BITSANDBYTES])
def test_each_setting_of_an_optimizer_acts_or_is_refused(name: str) -> None:
    facts = OPTIMIZERS[name]  # type: ignore[index]
    names = [key.partition(".")[2] for key in BY_KEY if facts.table and key.startswith(f"{facts.table}.")]
    assert bool(names) is bool(facts.table) and set(facts.lacks) <= set(names)

    def trained(own: TrainConfig) -> torch.Tensor:
        here = groups(name)
        made = make_optimizer(here, own)
        steps(made, here, range(1, 41), factor=0.5)  # d has grown by then, or not as far
        return torch.cat([one.data for one in here])

    before = trained(config(name))
    for one in names:
        other = config(name, **{f"{facts.table}.{one}": OTHER[one]})
        refused = any(f"{facts.table}.{one} is" in words for words in refusals(other))
        assert refused is (one in facts.lacks), one
        assert refused or not torch.equal(trained(other), before), f"{one} does nothing"
