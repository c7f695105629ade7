"""The optimizers: prodigyopt's arithmetic on flat buffers, no host syncs, frozen groups that are really out."""

from __future__ import annotations

import io
from collections.abc import Mapping
from contextlib import redirect_stdout
from typing import Any

import pytest
import torch
from prodigyopt import Prodigy
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from tests.bench.activations import Alive
from trainer.contract.settings.config import TrainConfig
from trainer.step.flat_group import FlatGroup
from trainer.step.optimizer import FlatAdamW, FlatAdamW8bit, Optimizer, make_optimizer, rate_factor
from trainer.step.prodigy import PIECE, FlatProdigy

STEPS, DECAY = 150, 0.01
Pair = tuple[float, float]  # the rates of the first group and the second
EQUAL = (1.0, 1.0)
WARM = {"use_bias_correction": True, "safeguard_warmup": True}


class CountOps(TorchDispatchMode):
    """Counts ATen operations by name."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.names.append(str(func))
        return func(*args, **(kwargs or {}))


def config(**sections: dict) -> TrainConfig:
    return TrainConfig.model_validate(sections)


def toy(seed: int = 0) -> tuple[dict[str, nn.Parameter], dict[str, nn.Parameter]]:
    start = torch.Generator().manual_seed(seed)
    first = {f"a{i}": nn.Parameter(torch.randn(7, 5, generator=start) / 7) for i in range(3)}
    first["zeros"] = nn.Parameter(torch.zeros(11, 3))
    return first, {"rows": nn.Parameter(torch.randn(2, 9, generator=start))}


def loss(first: Mapping[str, torch.Tensor], second: Mapping[str, torch.Tensor], step: int) -> torch.Tensor:
    noise = torch.Generator().manual_seed(step)
    total = torch.zeros(())
    for one in (*first.values(), *second.values()):
        total = total + ((one - 0.5 + 0.05 * torch.randn(one.shape, generator=noise)) ** 2).mean()
    return total


def run_ours(own: TrainConfig, rates: Pair = EQUAL) -> tuple[list[float], list[torch.Tensor]]:
    first, second = toy()
    groups = [FlatGroup.of("unet", first, rates[0], DECAY), FlatGroup.of("embeddings", second, rates[1], DECAY)]
    optimizer, estimates = FlatProdigy(groups, own), []
    for step in range(1, STEPS + 1):
        for group in groups:
            group.grad.zero_()
        loss(first, second, step).backward()
        factor = rate_factor(own, step)
        estimates.append(float(optimizer.estimate()[0]))
        optimizer.step(factor)
    return estimates, [one.detach() for one in (*first.values(), *second.values())]


def run_reference(own: TrainConfig, rates: Pair = EQUAL) -> tuple[list[float], list[torch.Tensor]]:
    """prodigyopt at one rate. A group at a share of it is in its hands divided by that share: a step of the one is
    then a step of the other times the share, and no other arithmetic than its own is needed."""
    parts, p = toy(), own.prodigy
    shares = [rate / max(rates) for rate in rates]
    for part, share in zip(parts, shares, strict=True):
        for one in part.values():
            one.data /= share
    sets = [
        {"params": list(part.values()), "weight_decay": DECAY * (share if p.decouple else share**2)}
        for part, share in zip(parts, shares, strict=True)
    ]
    with redirect_stdout(io.StringIO()):
        optimizer = Prodigy(
            sets,
            lr=1.0,
            betas=(p.beta1, p.beta2),
            beta3=p.beta3 or None,
            decouple=p.decouple,
            use_bias_correction=p.bias_correction,
            safeguard_warmup=p.safeguard_warmup,
            d0=p.d0,
            d_coef=p.d_coef,
            growth_rate=p.growth_rate,
            slice_p=p.slice_p,
        )
    estimates = []
    for step in range(1, STEPS + 1):
        optimizer.zero_grad()
        seen = [{name: one * share for name, one in part.items()} for part, share in zip(parts, shares, strict=True)]
        loss(*seen, step).backward()
        for group in optimizer.param_groups:
            group["lr"] = max(rates) * rate_factor(own, step)
        estimates.append(optimizer.param_groups[0]["d"])
        optimizer.step()
    return estimates, [one.detach() * share for part, share in zip(parts, shares, strict=True) for one in part.values()]


@pytest.mark.parametrize(
    "own",
    [
        {},
        {"prodigy": {"safeguard_warmup": False, "bias_correction": False}},
        {"prodigy": {"slice_p": 11, "d_coef": 2.0}},
        {"prodigy": {"growth_rate": 1.05, "d0": 1e-4, "beta3": 0.9}},
        {"prodigy": {"decouple": False}},
        {"train": {"warmup_steps": 20, "schedule": "cosine", "steps": 200}},
    ],
)
@pytest.mark.parametrize("rates", [EQUAL, (1.0, 0.5), (0.25, 1.0)])
def test_flat_prodigy_does_what_prodigyopt_does(own: dict, rates: Pair) -> None:
    estimates, values = run_ours(config(**own), rates)
    expected_estimates, expected = run_reference(config(**own), rates)
    assert estimates[-1] > 10 * estimates[0]  # the estimate has really grown, else this compares nothing
    assert estimates == pytest.approx(expected_estimates, rel=2e-4)
    for found, one in zip(values, expected, strict=True):
        assert torch.allclose(found, one, rtol=1e-4, atol=2e-6)


def test_a_large_lora_is_taken_piece_by_piece_in_little_memory() -> None:
    start, size = torch.Generator().manual_seed(0), 2 * PIECE + 1000
    ours, theirs = (nn.Parameter(one) for one in torch.randn(size, generator=start).div(10).repeat(2, 1))
    group = FlatGroup.of("unet", {"all": ours}, 1.0, DECAY)
    optimizer = FlatProdigy([group], config(prodigy={"d0": 1e-4}))
    with redirect_stdout(io.StringIO()):
        reference = Prodigy([theirs], lr=1.0, weight_decay=DECAY, betas=(0.9, 0.99), d0=1e-4, **WARM)
    for _ in range(6):
        theirs.grad = (theirs.detach() - 0.5) * torch.rand(size, generator=start)
        ours.grad.copy_(theirs.grad)
        optimizer.step(1.0)
        reference.step()
    assert float(optimizer.estimate()[0]) == pytest.approx(reference.param_groups[0]["d"], rel=1e-4)
    assert float(optimizer.estimate()[0]) > 1e-4  # it has grown
    assert torch.allclose(ours, theirs, rtol=1e-5, atol=1e-6)
    alive = Alive()
    alive.know([*optimizer.state_tensors().values(), group.data, group.grad])
    with alive:
        optimizer.step(1.0)
    assert alive.peak < 24 * PIECE < 12 * size


def test_a_prodigy_step_never_waits_for_the_device() -> None:
    first, second = toy()
    groups = [FlatGroup.of("unet", first, 1.0, 0.01), FlatGroup.of("embeddings", second, 1.0, 0.0)]
    optimizer = FlatProdigy(groups, config())
    loss(first, second, 1).backward()
    with CountOps() as seen:
        optimizer.step(1.0)
    assert not [name for name in seen.names if "_local_scalar_dense" in name or "item" in name]
    few = len(seen.names)
    more = {f"b{i}": nn.Parameter(torch.randn(4, 4)) for i in range(200)} | {"zeros": nn.Parameter(torch.zeros(4, 4))}
    wide = FlatProdigy([FlatGroup.of("unet", more, 1.0, 0.01), groups[1]], config())
    with CountOps() as seen:
        wide.step(1.0)
    assert len(seen.names) == few  # two hundred tensors cost what four do


def test_a_frozen_group_neither_moves_nor_counts() -> None:
    first, second = toy()
    groups = [FlatGroup.of("unet", first, 1.0, 0.01), FlatGroup.of("embeddings", second, 1.0, 0.01)]
    optimizer = FlatProdigy(groups, config())
    for step in range(1, 6):
        loss(first, second, step).backward()
        optimizer.step(1.0)
    groups[1].freeze()
    optimizer.freeze("embeddings")
    kept = second["rows"].detach().clone()
    for step in range(6, 10):
        loss(first, second, step).backward()
        optimizer.step(1.0)
    assert second["rows"].grad is None
    assert torch.equal(second["rows"], kept)
    assert not [name for name in optimizer.state_tensors() if name.startswith("embeddings")]


@pytest.mark.parametrize("family", [FlatProdigy, FlatAdamW])
def test_an_optimizer_goes_on_from_its_saved_state_to_the_bit(family: type) -> None:
    own = config(train={"optimizer": "adamw"}) if family is FlatAdamW else config(prodigy={"d0": 1e-3})
    lr = 1e-2 if family is FlatAdamW else 1.0

    def run(stop_at: int | None) -> list[torch.Tensor]:
        first, second = toy()
        groups = [FlatGroup.of("unet", first, lr, 0.01), FlatGroup.of("embeddings", second, lr, 0.0)]
        optimizer = family(groups, own)
        for step in range(1, 21):
            for group in groups:
                group.grad.zero_()
            loss(first, second, step).backward()
            optimizer.step(1.0)
            if step == stop_at:
                saved = {name: one.clone() for name, one in optimizer.state_tensors().items()}
                optimizer = family(groups, own)
                optimizer.load_tensors(saved)
        return [group.data.clone() for group in groups]

    for found, expected in zip(run(9), run(None), strict=True):
        assert torch.equal(found, expected)


@pytest.mark.parametrize("kind", ["prodigy", "prodigy in slices", "adamw", "adamw-8bit"])
def test_a_checkpoint_from_before_the_numbers_had_an_order_of_their_own_is_gone_on_from(kind: str) -> None:
    """Its state lies as the numbers were declared, and says nothing of a layout."""
    if kind == "adamw-8bit":
        pytest.importorskip("bitsandbytes", reason="bitsandbytes is not installed: pip install 'loratui[8bit]'")
    own = config(train={"optimizer": kind.split()[0]}, prodigy={"d0": 1e-3, "slice_p": 3 if "slices" in kind else 1})
    start = torch.Generator().manual_seed(0)
    values = {f"{side}{i}": torch.randn(50 + i, 30, generator=start) for i in range(3) for side in ("down", "up")}

    def made(order: list[str]) -> tuple[FlatGroup, dict[str, nn.Parameter], Optimizer]:
        named = {name: nn.Parameter(one.clone()) for name, one in values.items()}
        group = FlatGroup.of("unet", named, 1.0 if "prodigy" in kind else 1e-2, 0.01, order)
        return group, named, make_optimizer([group], own)

    def take(named: dict[str, nn.Parameter], optimizer: Optimizer, steps: range) -> None:
        for step in steps:
            noise = torch.Generator().manual_seed(step)
            for name, one in values.items():
                named[name].grad.copy_(torch.randn(one.shape, generator=noise) + 0.5)
            optimizer.step(1.0)

    before, live, old = made([])
    take(live, old, range(6))
    saved = {name: one.clone() for name, one in old.state_tensors().items() if name != "layout"}
    after, other, new = made(sorted(values))
    assert after.names != before.names
    for name, one in other.items():
        one.data.copy_(live[name].data)
    new.load_tensors(saved)
    take(live, old, range(6, 12))
    take(other, new, range(6, 12))
    for name, one in live.items():
        moved = float((one - values[name]).detach().norm())
        # eight bits: a scale is shared by other numbers now
        assert float((other[name] - one).detach().norm()) < (0.02 if kind == "adamw-8bit" else 1e-6) * moved


def test_flat_adamw_does_what_torch_does() -> None:
    own = config(train={"optimizer": "adamw"})
    first, second = toy()
    groups = [FlatGroup.of("unet", first, 1e-2, 0.01), FlatGroup.of("embeddings", second, 3e-2, 0.1)]
    ours = FlatAdamW(groups, own)
    theirs, other = toy()
    sets = [
        {"params": list(theirs.values()), "lr": 1e-2, "weight_decay": 0.01},
        {"params": list(other.values()), "lr": 3e-2, "weight_decay": 0.1},
    ]
    reference = torch.optim.AdamW(sets)
    for step in range(1, 30):
        for group in groups:
            group.grad.zero_()
        reference.zero_grad()
        loss(first, second, step).backward()
        loss(theirs, other, step).backward()
        ours.step(1.0)
        reference.step()
    for name in theirs:
        assert torch.allclose(first[name], theirs[name], atol=1e-6)
    assert torch.allclose(second["rows"], other["rows"], atol=1e-6)


def eight_bits() -> tuple[FlatAdamW8bit, FlatGroup, FlatGroup]:
    pytest.importorskip("bitsandbytes", reason="bitsandbytes is not installed: pip install 'loratui[8bit]'")
    start = torch.Generator().manual_seed(0)
    wide = {f"a{i}": nn.Parameter(torch.randn(50, 100, generator=start)) for i in range(3)}
    rows = {"rows": nn.Parameter(torch.randn(2, 9, generator=start))}
    groups = [FlatGroup.of("unet", wide, 1e-2, 0.01), FlatGroup.of("embeddings", rows, 1e-2, 0.0)]
    return FlatAdamW8bit(groups, config(train={"optimizer": "adamw-8bit"})), *groups


def gradients(step: int, *groups: FlatGroup) -> None:
    start = torch.Generator().manual_seed(step)
    for group in groups:
        group.grad.copy_(torch.randn(group.grad.shape, generator=start))


def test_eight_bit_adamw_keeps_its_moments_in_bytes_and_resumes_to_the_bit() -> None:
    whole, *groups = eight_bits()
    cut, *others = eight_bits()
    for step in range(1, 12):
        gradients(step, *groups)
        whole.step(1.0)
        gradients(step, *others)
        cut.step(1.0)
        if step == 6:
            saved = {name: one.clone() for name, one in cut.state_tensors().items()}
            cut = FlatAdamW8bit(others, config(train={"optimizer": "adamw-8bit"}))
            cut.load_tensors(saved)
    assert saved["unet.state1"].dtype == saved["unet.state2"].dtype == torch.uint8
    for one, other in zip(groups, others, strict=True):
        assert torch.equal(one.data, other.data)


def test_eight_bit_adamw_goes_where_adamw_goes() -> None:
    ours, *groups = eight_bits()
    _, *others = eight_bits()
    reference = FlatAdamW(others, config(train={"optimizer": "adamw"}))
    before = [group.data.clone() for group in groups]
    for step in range(1, 30):
        gradients(step, *groups, *others)
        ours.step(1.0)
        gradients(step, *others)
        reference.step(1.0)
    for one, other, start in zip(groups, others, before, strict=True):
        moved = (other.data - start).norm()
        assert moved > 0.1
        assert (one.data - other.data).norm() < 0.1 * moved


def test_a_schedule_warms_up_and_ends() -> None:
    own = config(train={"steps": 100, "warmup_steps": 9, "schedule": "linear"})
    factors = [rate_factor(own, step) for step in range(1, 101)]
    assert factors[0] == pytest.approx(0.1)
    assert max(factors) == factors[9] == 1.0
    assert 0 < factors[-1] < 0.02


@pytest.mark.parametrize(
    ("ours", "theirs", "options"),
    [
        ("constant", "constant", {}),
        ("linear", "linear", {}),
        ("cosine", "cosine", {}),
        ("cosine-with-restarts", "cosine_with_restarts", {"num_cycles": 3}),
        ("polynomial", "polynomial", {"power": 2.0}),
    ],
)
def test_the_schedules_are_those_of_diffusers(ours: str, theirs: str, options: dict) -> None:
    from diffusers.optimization import get_scheduler

    parameter = nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([parameter], lr=1.0)
    scheduler = get_scheduler(theirs, optimizer, num_warmup_steps=0, num_training_steps=50, **options)
    own = config(train={"steps": 50, "schedule": ours, "schedule_cycles": 3, "schedule_power": 2.0})
    for step in range(1, 51):
        assert rate_factor(own, step) == pytest.approx(optimizer.param_groups[0]["lr"], abs=1e-6)
        optimizer.step()
        scheduler.step()
