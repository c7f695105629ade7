"""The hint is wrong in one of twenty runs at most where nothing differs, and right where the loss falls plainly."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy
import pytest

from loratui.results.best_checkpoint import MeasuredStep, hint
from loratui.results.paired import holm, student

RUNS = 2000
# three standard deviations of a share of 5 % in so many runs
ALLOWED = 0.05 + 3 * math.sqrt(0.05 * 0.95 / RUNS)
LEVELS = numpy.array([0.004, 0.01, 0.02, 0.05, 0.1, 0.2, 0.4, 0.8])  # losses by noise level, as in a run

Noise = Callable[[numpy.random.Generator, tuple[int, int]], numpy.ndarray]


def normal(chance: numpy.random.Generator, shape: tuple[int, int]) -> numpy.ndarray:
    return chance.normal(0.0, 0.2, shape)


def heavy(chance: numpy.random.Generator, shape: tuple[int, int]) -> numpy.ndarray:
    """A few draws go far astray, as single pictures do."""
    return 0.1 * chance.standard_t(3, shape)


def run(logs: numpy.ndarray) -> tuple[MeasuredStep, ...]:
    """A run whose checkpoints have the base model's losses times exp of a row each; the first row is the base."""
    losses = numpy.exp(logs) * LEVELS[numpy.arange(logs.shape[1]) % len(LEVELS)]
    return tuple(
        MeasuredStep(100 * place, tuple(map(float, row)), True, 1.0, 10.0 * place, place > 0)
        for place, row in enumerate(losses)
    )


@pytest.mark.parametrize(("noise", "checkpoints"), [(heavy, 2), (normal, 8)])
def test_where_nothing_differs_a_best_step_is_named_in_one_of_twenty_runs_at_most(
    noise: Noise, checkpoints: int
) -> None:
    chance = numpy.random.default_rng(18)
    named = sum(hint(run(noise(chance, (1 + checkpoints, 8))), "style").step is not None for _ in range(RUNS))
    assert named / RUNS <= ALLOWED


def test_steps_that_are_alike_and_better_than_the_base_are_told_apart_in_one_of_twenty_runs_at_most() -> None:
    chance = numpy.random.default_rng(20)
    fallen = numpy.array([[0.0], *[[-3.0]] * 4])
    said = [hint(run(normal(chance, (5, 8)) + fallen), "style").sentences[0] for _ in range(RUNS)]
    told = sum("differ by less than the noise" not in one for one in said)
    assert told / RUNS <= ALLOWED
    assert not any("no checkpoint is measurably better" in one for one in said[:100])


FALLS = {"half": (0.6, 0.4, 0.5, 0.55, 0.45, 0.6, 0.4, 0.5), "quarter": (0.3, 0.2, 0.25, 0.3, 0.2, 0.35, 0.15, 0.25)}


@pytest.mark.parametrize("fall", FALLS)
@pytest.mark.parametrize("others", [1, 7])
def test_a_loss_that_falls_to_a_half_or_a_quarter_in_eight_of_eight_draws_is_named(fall: str, others: int) -> None:
    early = numpy.random.default_rng(1).normal(0.0, 0.05, (1 + others, 8))
    found = run(numpy.vstack([early, numpy.log(FALLS[fall])]))
    said = hint(found, "style")
    assert said.step == found[-1].step and "the lowest loss on pictures that it never saw" in said.sentences[0]


def test_students_chances_are_those_of_the_tables() -> None:
    for free, bound in ((1, 12.706), (2, 4.3027), (7, 2.3646), (8, 2.3060), (15, 2.1314), (23, 2.0687), (63, 1.9983)):
        assert student(bound, free) == pytest.approx(0.05, abs=2e-5)
        assert student(-bound, free) == student(bound, free)
    assert student(5.4079, 7) == pytest.approx(0.001, abs=1e-6)
    assert student(0.0, 7) == 1.0 and student(9.0, 0) == 1.0


def test_holms_procedure_stops_at_the_first_that_is_not_sure() -> None:
    assert holm([0.01, 0.04, 0.03]) == [True, False, False]  # 0.05 / 3, then 0.03 > 0.05 / 2
    assert holm([0.01, 0.04, 0.02]) == [True, True, True]
    assert holm([0.02, 0.001]) == [True, True]
    assert holm([]) == []
