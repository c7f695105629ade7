"""A run with sample.count = 0: whatever else is set, nothing of a plan counts a picture that is never drawn."""

from __future__ import annotations

from typing import Any

import pytest

from tests.contract.plan.test_estimate_phases import config
from trainer.contract.plan.estimate import Estimate, estimate
from trainer.contract.plan.memory import Device, MemoryPart
from trainer.contract.settings.arithmetic import sample_steps, schedule
from trainer.contract.settings.prompts import sample_pictures
from trainer.contract.settings.tracking import NO_SAMPLES

CASES: dict[str, dict[str, Any]] = {
    "as set": {},
    "large ones": {"sample.width": 2048, "sample.height": 2048, "sample.prompts": ("a TOK", "b --w 1536")},
    "many": {"train.sample_every": 1, "sample.at_start": True},
    "smaller training": {"train.resolution": 512, "train.gradient_checkpointing": "blocks"},
    "in fp32": {"model.vae_precision": "fp32", "train.batch": 1},
}


def samples(parts: tuple[MemoryPart, ...]) -> MemoryPart:
    (found,) = (one for one in parts if one.name == "samples")
    return found


@pytest.mark.parametrize("device", ["cuda", "cpu"])
@pytest.mark.parametrize("case", CASES)
def test_nothing_is_counted_of_what_is_never_drawn(case: str, device: Device) -> None:
    drawn, off = config(CASES[case]), config(CASES[case] | {"sample.count": 0})
    assert sample_steps(off) == schedule(off, 5).samples == sample_pictures(off) == ()
    with_, without = estimate(drawn, 5, device), estimate(off, 5, device)
    for parts in (without.memory, without.disk):
        assert (samples(parts).bytes, samples(parts).note) == (0, NO_SAMPLES)
    assert without.memory_total <= with_.memory_total and without.memory_after <= with_.memory_after
    assert without.disk_total == with_.disk_total - samples(with_.disk).bytes
    assert without.first_flop < with_.first_flop
    larger = config(CASES[case] | {"sample.count": 0, "sample.width": 2048, "sample.height": 2048})
    assert estimate(larger, 5, device) == without  # no matter how large they would be


def test_class_pictures_that_are_drawn_still_count(tmp_path: Any) -> None:
    own = {"sample.count": 0, "prior.enabled": True, "dataset.class_word": "dog", "train.resolution": 1024}

    def need(**more: Any) -> Estimate:
        return estimate(config(own | {"train.batch": 1, "train.gradient_checkpointing": "blocks"} | more), 5)

    few, many, none = need(), need(**{"prior.batch": 64}), need(**{"prior.path": str(tmp_path)})
    assert few.memory_total < many.memory_total  # before the first step, where they are drawn
    assert all(samples(one.memory).bytes == 0 for one in (few, many, none))  # from then on nothing is
    assert few.memory_after == none.memory_after  # photographs: nothing is drawn at all
