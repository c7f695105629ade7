"""How often each picture is seen, in words that can be read aloud."""

from __future__ import annotations

import pytest

from trainer.contract.plan.views import views_sentence


@pytest.mark.parametrize(
    ("steps", "often"), [(6, "less than once"), (7, "once"), (10, "once"), (14, "2 times"), (4000, "571 times")]
)
def test_often_is_a_word_where_there_is_one(steps: int, often: str) -> None:
    assert views_sentence(steps, 1, 7, "object").startswith(f"each picture is seen {often}: ")
