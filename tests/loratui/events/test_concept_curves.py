"""The loss of each concept of a run: as curves of its own, beside the running mean, and in the chart's title."""

from __future__ import annotations

from typing import Any

from loratui.events.history import History
from loratui.widgets.plots import loss_plot, loss_title


def events(*measured: tuple[int, list[Any] | None]) -> list[dict[str, Any]]:
    start = {"type": "run", "name": "anna", "steps": 100}
    steps = [{"type": "step", "step": at, "loss": 0.2, "applied": True} for at in range(1, 51)]
    told = [{"type": "measure", "step": at, "loss": 0.3, "of": "training", "concepts": each} for at, each in measured]
    return [start, *steps, *told]


def test_each_concept_has_a_curve_of_what_was_measured() -> None:
    two = [{"trigger": "TOK", "loss": 0.3}, {"trigger": "REX", "loss": 0.5}]
    later = [{"trigger": "TOK", "loss": 0.1}, {"trigger": "REX", "loss": None}]
    history = History()
    history.absorb(
        events((0, two), (50, later), (25, [{"trigger": "TOK", "loss": 0.2}, {"trigger": "REX", "loss": 0.4}]))
    )
    first, second, mean = loss_plot(history).curves
    assert (tuple(first.xs), tuple(first.ys)) == ((0, 25, 50), (0.3, 0.2, 0.1))
    assert (tuple(second.xs), tuple(second.ys)) == ((0, 25), (0.5, 0.4))  # of one that had none there is a gap
    assert len({first.style, second.style, mean.style}) == 3
    said = loss_title(history).plain
    assert "TOK 0.1000" in said and "REX 0.4000" in said


def test_a_run_of_one_concept_has_the_chart_of_before() -> None:
    history = History()
    history.absorb(events((0, None), (50, None)))
    assert len(loss_plot(history).curves) == 1 and "TOK" not in loss_title(history).plain


def test_what_a_damaged_log_says_of_concepts_is_passed_over() -> None:
    history = History()
    history.absorb(events((0, ["x", {"trigger": "\x1b[31mA", "loss": "y"}, {"loss": 0.5}]), (25, {"trigger": "TOK"})))  # type: ignore[arg-type]
    (only,) = history.concepts
    assert (only.trigger, only.losses) == ("3", (0.5,)) and "\x1b" not in loss_title(history).plain
