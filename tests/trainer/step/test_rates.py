"""Unequal rates: with every optimizer, each group of a run steps at its own, before the pivot, after it and resumed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from trainer.contract.settings.config import TrainConfig
from trainer.model.parts import fix_pooling, load_parts
from trainer.step.trainee import Trainee, make_trainee

WAYS: dict[str, dict[str, Any]] = {
    "embeddings": {"train__embedding_weight_decay": 0.0},
    "text_encoder": {"pivotal__enabled": False, "text_encoder_lora__enabled": True, "text_encoder_lora__fraction": 0.5},
}
RATES = {"embeddings": "train__embedding_learning_rate", "text_encoder": "train__text_encoder_learning_rate"}
PIVOT, LAST = 3, 6
CORRECTION = (1 - 0.99) ** 0.5 / (1 - 0.9)  # of the first step


def begin(settings: Callable[..., TrainConfig], words: str, unet: float, other: float, **own: Any) -> Trainee:
    rates = {"train__learning_rate": unet, RATES[words]: other}
    config = settings(train__steps=LAST, train__weight_decay=0.0, **WAYS[words], **rates, **own)
    torch.manual_seed(0)
    parts = load_parts(config, torch.device("cpu"))
    fix_pooling(parts.text_encoders, parts.tokenizers)
    return make_trainee(parts, config)


def go(trainee: Trainee, steps: range) -> None:
    """Steps on gradients that depend on the step alone and agree, so that the estimate grows; the words leave after
    the pivot, as in a run."""
    for step in steps:
        for group in trainee.groups:
            always, now = (torch.Generator().manual_seed(seed) for seed in (0, step))
            drawn = [torch.randn(group.grad.shape, generator=one) for one in (always, now)]
            group.grad.copy_(drawn[0] + 0.1 * drawn[1])
        trainee.optimizer.step(1.0)
        if step == PIVOT:
            trainee.freeze_text()


@pytest.mark.parametrize("words", WAYS)
@pytest.mark.parametrize(("unet", "other"), [(1.0, 0.5), (0.25, 1.0), (1.0, 1.0)])
@pytest.mark.parametrize("own", [{}, {"prodigy__slice_p": 3, "prodigy__safeguard_warmup": False}])
def test_each_group_of_prodigy_steps_at_its_own_rate_times_the_one_estimate(
    settings: Callable[..., TrainConfig], words: str, unet: float, other: float, own: dict[str, Any]
) -> None:
    trainee = begin(settings, words, unet, other, prodigy__d0=1e-3, **own)
    first = {group.name: group.data.clone() for group in trainee.groups}
    rates = trainee.optimizer.rates(1.0, (1e-3, CORRECTION))
    go(trainee, range(1, 2))
    # Adam's first step is the gradient's sign times its bias correction; what is logged has that in it
    moved = {group.name: (group.data - first[group.name]).abs().median().item() for group in trainee.groups}
    bare = (1 - 0.9) / (1 - 0.99) ** 0.5
    assert moved == pytest.approx({name: rates[name]["effective"] * bare for name in moved}, rel=1e-3)
    assert moved[words] / moved["unet"] == pytest.approx(other / unet, rel=1e-3)
    assert [rates[name]["lr"] for name in ("unet", words)] == [unet, other]
    go(trainee, range(2, PIVOT + 1))
    assert trainee.optimizer.rates(0.5, (1e-3, CORRECTION))["unet"]["lr"] == unet / 2
    assert words not in trainee.optimizer.rates(1.0, (1e-3, CORRECTION))


@pytest.mark.parametrize("words", WAYS)
@pytest.mark.parametrize("cut", [2, PIVOT, 5])
def test_a_run_with_unequal_rates_goes_on_to_the_bit(
    settings: Callable[..., TrainConfig], words: str, cut: int
) -> None:
    """The words have the higher rate: past the pivot none of the groups that are left has it."""
    whole = begin(settings, words, 0.25, 1.0, prodigy__d0=1e-3)
    go(whole, range(1, cut + 1))
    saved = whole.snapshot(cut, {})
    go(whole, range(cut + 1, LAST + 1))
    resumed = begin(settings, words, 0.25, 1.0, prodigy__d0=1e-3)
    resumed.restore(saved)
    go(resumed, range(cut + 1, LAST + 1))
    one, other = whole.snapshot(LAST, {}), resumed.snapshot(LAST, {})
    assert float(one.optimizer["d"]) > 1e-3  # the estimate has moved
    for kind in ("lora", "embeddings", "optimizer"):
        live, again = getattr(one, kind), getattr(other, kind)
        assert set(live) == set(again) and all(torch.equal(live[name], again[name]) for name in live)
