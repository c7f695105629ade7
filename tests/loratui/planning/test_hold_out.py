"""Held-out pictures are not counted where the plan says what is trained on."""

from __future__ import annotations

from pathlib import Path

from loratui.planning.lines import plan_lines, verdict_lines
from loratui.planning.prepared import prepare
from loratui.settings.answers import Answers
from loratui.settings.resolve import resolve


def test_steps_by_the_picture_are_counted_without_the_held_out_ones() -> None:
    answers = Answers("face", {"dataset.hold_out": 2}, {}, "x")
    assert resolve(answers, {}, 10).config.train.steps == 8 * 120
    assert resolve(answers, {"dataset.hold_out": 0}, 10).config.train.steps == 10 * 120


def test_the_plan_counts_what_is_left_and_refuses_nothing_left(pictures: Path) -> None:
    def said(count: int) -> str:
        values = {"model.base": "sdxl-small", "dataset.path": str(pictures), "dataset.hold_out": count}
        plan = prepare(Answers("object", values, {}, "x"), {}, "x").plan
        return "\n".join([*verdict_lines(plan), *plan_lines(plan)])

    assert "3 pictures x 1 repeat" in said(1)
    assert "1 held out" in said(1)
    assert "dataset.hold_out: 4 of 4 pictures leaves none to train on" in said(4)
