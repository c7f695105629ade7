"""What tests/bench/gpu.py writes of its blocks can be read anywhere, whatever came of them."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from tests.bench.gpu import ADV_CASES, CASES, HEAD, PLAIN, Bench, Case, Failed, Measured, as_json, measure, row
from tests.gpu.driving import REDUCED_BED, Course, Seen


class Told(Bench):
    """Blocks whose steps are told, not taken."""

    def ours(self, case: Case) -> Course:
        if case.batch == 4:
            raise Failed("out of memory")
        odd = math.nan if case is CASES[2] else 0.5
        return Course([Seen(loss, 0.1, 10) for loss in (0.25, odd, *[0.5] * 6)], pivoted=4)

    def theirs(self, case: Case) -> Course:
        return Course([Seen(math.nan, 0.1, 10)] * 8, pivoted=4)


def refuse(word: str) -> float:
    raise AssertionError(f"{word} is no JSON")


@pytest.fixture
def found() -> Any:
    cases = [("ours", one) for one in CASES] + [("theirs", one) for one in ADV_CASES]
    return measure(Told(REDUCED_BED, Path(), None), cases, rounds=2, seconds=600)


def test_the_json_is_json_also_where_a_loss_is_no_number(found: Any) -> None:
    rows = json.loads(as_json(found, "a card"), parse_constant=refuse)["rows"]
    assert len(rows) == len(found)
    for (trainer, case), one in zip(found, rows, strict=True):
        compared = trainer == "ours" and case.batch == 1
        assert (one["losses"] is None) == (trainer == "theirs" or case.batch == 4)
        assert (one["losses_off_by"] is not None) == (compared and case is not CASES[2])
        assert (one["figures"] is None) == (trainer == "ours" and case.batch == 4), "a trainer without losses has times"
    assert rows[2]["losses"] == [0.25, None, 0.5, 0.5]


def test_the_table_says_where_nothing_can_be_compared(found: Any) -> None:
    column = [one.strip() for one in HEAD.split("\n")[0].split("|")].index("losses off by")
    plain = found["ours", PLAIN]
    cells = {key: row(one, plain, None).split("|")[column].strip() for key, one in found.items() if one.halves[0]}
    assert cells["ours", PLAIN] == "0.0e+00" and cells["ours", CASES[2]] == "inf"
    assert {cells[key] for key in cells if key[0] == "theirs" or key[1].batch != 1} == {"-"}


def test_a_loss_that_is_no_number_is_far_from_every_other() -> None:
    odd, plain = (Measured(PLAIN, ([], []), losses) for losses in ([0.5, math.nan, 0.5], [0.5, 0.5, 0.5]))
    for one, other in ((odd, plain), (plain, odd), (odd, odd)):
        far = one.off(other)
        assert far is not None and far > PLAIN.within("bf16")
