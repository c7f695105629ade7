"""Keys and values of captions: kept where there is room, as the plan counts them, and never at a picture's cost."""

from __future__ import annotations

import pytest

from tests.contract.plan.test_estimate_phases import config, part
from trainer.contract.plan.estimate import estimate
from trainer.contract.plan.kept_words import PART, captions_at_most, kept_words, with_words
from trainer.contract.plan.levels import NARROW

ONE = 77 * 2 * (10 * 640 + 60 * 1280) * 2  # 26 MB: tokens, a key and a value in each block, bf16


@pytest.mark.parametrize(
    ("own", "size"),
    [
        ({}, ONE),
        ({"train.precision": "fp32"}, 2 * ONE),
        ({"caption.max_tokens": 225}, 3 * ONE),
        ({"train.blocks": ["up_blocks.0.attentions.1"]}, ONE * 12800 // 83200),
        ({"train.dora": True}, 0),
        ({"caption.shuffle": True}, 0),
    ],
    ids=str,
)
def test_a_caption_takes_what_its_keys_and_values_do(own: dict[str, object], size: int) -> None:
    assert estimate(config(own), 5).caption_bytes == size


def test_after_the_pivot_they_lie_where_the_text_encoders_did() -> None:
    need = estimate(config({}), 20)
    assert need.memory_after + 20 * ONE <= need.memory_total
    assert kept_words(need, 20, available=0) == 20 * ONE
    found = with_words(need, 20 * ONE)
    assert found.memory_total == need.memory_total and found.memory_after == need.memory_after + 20 * ONE
    assert sum(one.bytes for one in found.memory) == found.memory_total


def test_beyond_that_they_have_to_fit_with_some_to_spare() -> None:
    need = estimate(config({"pivotal.enabled": False}), 20)
    whole = need.memory_total + 20 * ONE
    assert kept_words(need, 20, round(whole * (1 + NARROW)) + 1) == 20 * ONE
    assert kept_words(need, 20, whole) == 0
    found = with_words(need, 20 * ONE)
    assert found.memory_total == found.memory_after == whole and part(found, PART) == 20 * ONE
    assert with_words(need, 0).memory == need.memory


def test_so_many_captions_are_counted() -> None:
    assert captions_at_most(config({}), 7) == 7
    more = {"dataset.caption_dropout": 0.1, "prior.enabled": True, "dataset.class_word": "dog"}
    assert captions_at_most(config(more), 7) == 9
