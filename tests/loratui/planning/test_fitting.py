"""What makes a run fit: enough, nothing that is not needed, the cheapest in result first; said when it is in vain."""

from __future__ import annotations

import pytest

from loratui.planning.fitting import Proposal, changes, propose, set_words, verdict
from loratui.planning.hardware import Machine, MemoryHolder
from loratui.planning.memory_steps import MEMORY_STEPS, changed
from loratui.settings.answers import parse_set
from trainer.contract.plan.estimate import corrected, estimate
from trainer.contract.settings.config import TrainConfig, nested

GB = 1_000_000_000
CONFIGS = {
    "the default": {},
    "without checkpointing": {"train.gradient_checkpointing": False, "train.batch": 6},
    "in fp32 with AdamW": {"train.precision": "fp32", "train.optimizer": "adamw", "model.vae_precision": "fp32"},
    "large": {"train.rank": 128, "train.alpha": 64.0, "train.targets": "all-linear", "train.resolution": 1280},
    "with class pictures": {"prior.enabled": True, "prior.batch": 16, "train.batch": 3},
    "with a text encoder LoRA": {"pivotal.enabled": False, "text_encoder_lora.enabled": True},
    "the small model": {"model.base": "sdxl-small", "train.resolution": 64, "train.batch": 8},
}


def config(own: dict[str, object]) -> TrainConfig:
    return TrainConfig.model_validate(nested(dict(own)))


def need(one: TrainConfig, factor: float = 1.0) -> int:
    return corrected(estimate(one, 5), factor).memory_total


@pytest.mark.parametrize("factor", [0.8, 1.5])
@pytest.mark.parametrize("case", CONFIGS)
def test_what_is_proposed_fits_and_every_change_is_needed(case: str, factor: float) -> None:
    start = config(CONFIGS[case])
    most, least = need(start, factor), propose(start, 5, 0, factor=factor, eight_bit=True).total
    assert least < most
    for available in (round(least + (most - least) * part) for part in (0.0, 0.1, 0.35, 0.7, 0.99)):
        found = propose(start, 5, available, factor=factor, eight_bit=True)
        assert found.fits and found.changes
        assert need(changed(start, found.settings), factor) == found.total <= available
        assert sum(one.saves for one in found.changes) == most - found.total
        for one in found.changes:
            without = {key: value for key, value in found.settings.items() if key not in one.settings}
            assert need(changed(start, without), factor) > available, one.words
            assert one.cost and one.source


def order(found: Proposal) -> list[int]:
    costs = [step.cost for step in MEMORY_STEPS]
    return [costs.index(one.cost) for one in found.changes]


def test_what_costs_least_comes_first() -> None:
    start = config(CONFIGS["without checkpointing"])
    (first,) = changes(start, 5, 20 * GB)
    assert first.settings == {"train.gradient_checkpointing": True}
    for available in range(7, 20):
        found = order(propose(start, 5, available * GB, eight_bit=True))
        assert found == sorted(found)
    # the LoRA's size is touched only when nothing else is left
    assert "train.rank" not in propose(start, 5, 11 * GB).settings


def test_the_batch_shrinks_by_what_divides_it_and_keeps_its_product() -> None:
    for batch, accumulation in ((6, 1), (4, 3), (7, 1), (256, 4)):
        sizes = {"train.batch": batch, "train.accumulation": accumulation, "train.gradient_checkpointing": True}
        start = config({**sizes, "model.vae_precision": "training"})  # so that a step needs more than encoding
        found = propose(start, 5, need(start) - 1).settings
        assert found["train.batch"] < batch
        assert found["train.batch"] * found["train.accumulation"] == batch * accumulation


def test_alpha_keeps_its_proportion_to_the_rank() -> None:
    start = config({"train.rank": 128, "train.alpha": 64.0, "train.batch": 1, "prodigy.slice_p": 11})
    found = propose(start, 5, need(start) - 2 * GB).settings
    assert found["train.alpha"] / found["train.rank"] == 0.5


def test_it_is_said_when_nothing_is_enough() -> None:
    found = propose(config({}), 5, 2 * GB)
    assert not found.fits and found.total > 2 * GB and found.changes
    least = changed(config({}), found.settings)
    again = propose(least, 5, 2 * GB)
    assert not again.fits and not again.changes


def test_nothing_is_proposed_where_it_fits() -> None:
    assert changes(config({}), 5, 80 * GB) == ()


def test_8_bit_is_proposed_only_where_it_can_be_had() -> None:
    own = {"train.optimizer": "adamw", "train.batch": 1, "train.rank": 64, "model.vae_precision": "training"}
    start = config(own)
    assert propose(start, 5, need(start) - 1, eight_bit=True).settings == {"train.optimizer": "adamw-8bit"}
    assert "train.optimizer" not in propose(start, 5, need(start) - 1, eight_bit=False).settings


def test_the_words_to_paste_are_read_as_the_same_settings() -> None:
    start = config(CONFIGS["large"] | {"train.gradient_checkpointing": False, "train.batch": 4})
    found = propose(start, 5, 7 * GB)
    options = set_words(found.settings).split(" --set ")
    read = dict(parse_set(one.removeprefix("--set ")) for one in options)
    assert changed(start, read) == changed(start, found.settings) != start


@pytest.mark.parametrize(
    ("total", "free", "said", "fits"),
    [
        (24, 20, "fits with 10 GB to spare", True),
        (24, 10, "fits narrowly, with 0 B to spare", True),
        (24, 8, "fits only if nothing else runs on the GPU: blender holds 6 GB", False),
        (9, 9, "does not fit: 1 GB too much", False),
    ],
)
def test_the_verdict_is_in_words(total: int, free: int, said: str, fits: bool) -> None:
    machine = Machine("cuda", "A GPU", total * GB, free * GB, (MemoryHolder(1, "blender", 6 * GB),))
    found = verdict(10 * GB, machine)
    assert (found.words, found.fits) == (said, fits)


def test_samples_that_do_not_fit_are_told_apart_from_training_that_does_not() -> None:
    """The trainer leaves out pictures for which there is no memory, and goes on."""
    machine = Machine("cuda", "A GPU", 9 * GB, 9 * GB)
    assert verdict(10 * GB, machine, 2 * GB).words == "the training fits, its samples do not: 1 GB too much for them"
    assert verdict(10 * GB, machine, GB // 2).words == "does not fit: 1 GB too much"


def test_a_hostile_process_name_is_shown_harmless() -> None:
    machine = Machine(
        "cuda", "A GPU", 24 * GB, 8 * GB, (MemoryHolder(1, "\x1b]52;c;aGk=\x07[@click=app.quit()]x", GB),)
    )
    assert "\x1b" not in verdict(10 * GB, machine).words and "\x07" not in verdict(10 * GB, machine).words
