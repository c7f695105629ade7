"""What is made again where that is left open: the fastest that fits, and whole blocks in runs of before."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.contract.plan.test_estimate_phases import config
from trainer.contract.plan.estimate import estimate
from trainer.contract.plan.levels import FASTEST_FIRST, NARROW, chosen_level, with_level
from trainer.contract.settings.config import TrainConfig, as_begun, load_config


def need(one: TrainConfig) -> int:
    return estimate(one, 5).memory_total


def test_the_fastest_that_fits_is_taken_and_the_least_where_none_does() -> None:
    start = config({"train.batch": 2})
    assert start.train.gradient_checkpointing == "auto"
    needs = {level: need(with_level(start, level)) for level in FASTEST_FIRST}
    assert list(needs.values()) == sorted(needs.values(), reverse=True)
    for level, bytes_ in needs.items():
        assert chosen_level(start, 5, round(bytes_ * (1 + NARROW)) + 1, "cuda") == level
    assert chosen_level(start, 5, needs["norms"], "cuda") == "feed-forward"  # nothing to spare is not enough
    assert chosen_level(start, 5, 0, "cuda") == "blocks"
    assert need(start) == needs["blocks"]  # not settled yet: with that it fits, if at all


def test_what_past_runs_taught_counts() -> None:
    start = config({"train.batch": 4})
    available = round(need(with_level(start, "norms")) * 1.1)
    assert chosen_level(start, 5, available, "cuda") == "norms"
    assert chosen_level(start, 5, available, "cuda", factor=2.0) != "norms"


@pytest.mark.parametrize("asked", ["off", "norms", "blocks"])
def test_a_level_that_was_chosen_is_left_alone(asked: str) -> None:
    assert chosen_level(config({"train.gradient_checkpointing": asked}), 5, 0, "cuda") == asked


def test_a_run_that_was_begun_before_keeps_whole_blocks(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text("[train]\nrank = 8\n")
    assert load_config(tmp_path / "config.toml").train.gradient_checkpointing == "blocks"
    assert as_begun({"train.rank": 8}, "train.")["train.gradient_checkpointing"] == "blocks"
