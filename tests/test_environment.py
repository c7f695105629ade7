"""No test finds in its environment what another has written there: `kept_environment` of tests/conftest.py."""

from __future__ import annotations

import os

import pytest

NAME = "LORATUI_TESTS_LEFT_BEHIND"
FIRST = os.environ.get("HF_ENDPOINT")


@pytest.mark.parametrize("turn", [0, 1])
def test_a_name_written_in_one_turn_is_gone_in_the_next(turn: int) -> None:
    assert NAME not in os.environ
    os.environ[NAME] = str(turn)


@pytest.mark.parametrize("turn", [0, 1])
def test_a_name_changed_or_deleted_in_one_turn_is_back_in_the_next(turn: int) -> None:
    assert os.environ["HF_ENDPOINT"] == FIRST and "TEXTUAL_ANIMATIONS" in os.environ
    os.environ["HF_ENDPOINT"] = str(turn)
    del os.environ["TEXTUAL_ANIMATIONS"]
