"""A decision is taken back as far as it still holds: what was chosen in its place since stays."""

from __future__ import annotations

from typing import Any

import pytest

from loratui.settings.drafts.draft import Draft
from loratui.settings.drafts.undo import Decision

SKIP, KIND = "dataset.skip", "kind"


@pytest.mark.parametrize(
    ("before", "after", "now", "holds", "back"),
    [
        ({}, {KIND: "face"}, {KIND: "face"}, True, {}),
        ({KIND: "object"}, {KIND: "face"}, {KIND: "style"}, False, {KIND: "style"}),
        ({}, {KIND: "face", "train.steps": 9}, {KIND: "style", "train.steps": 9}, False, {KIND: "style"}),
        ({}, {SKIP: ("a",)}, {SKIP: ("a", "b")}, True, {SKIP: ("b",)}),
        ({SKIP: ("a", "b")}, {SKIP: ("b",)}, {SKIP: ("b", "c")}, True, {SKIP: ("b", "c", "a")}),
        ({}, {SKIP: ("a",)}, {}, False, {}),
        ({}, {SKIP: ("a",)}, {SKIP: ("b",)}, False, {SKIP: ("b",)}),
    ],
)
def test_only_what_still_holds_is_taken_back(
    before: dict[str, Any], after: dict[str, Any], now: dict[str, Any], holds: bool, back: dict[str, Any]
) -> None:
    decision = Decision.between("Done.", Draft(values=before), Draft(values=after))
    draft = Draft(values={**now, "train.rank": 8})
    assert decision.holds(draft) is holds
    assert decision.taken_back(draft).values == {**back, "train.rank": 8}
