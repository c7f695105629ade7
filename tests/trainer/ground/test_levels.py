"""How noisy each view is: even over the views of a picture and within a step, and the same however it is shared out."""

from __future__ import annotations

import itertools
import random

import pytest

from trainer.ground import draws


def taken(items: int, batch: int, steps: int, repeats: int = 1, seed: int = 0) -> list[list[tuple[int, float]]]:
    """Item and level of every view, step by step."""
    found = []
    for step in range(1, steps + 1):
        places = range((step - 1) * batch, step * batch)
        seen = tuple(draws.item_at(place, draws.Epoch((repeats,) * items), seed) for place in places)
        levels = draws.levels(step, seen, items, seed)
        found.append([(one.item, level) for one, level in zip(seen, levels, strict=True)])
    return found


def discrepancy(values: list[float]) -> float:
    """Kolmogorov's distance of the values from an even spread over 0 to 1."""
    found = sorted(values)
    return max(max((i + 1) / len(found) - one, one - i / len(found)) for i, one in enumerate(found))


@pytest.mark.parametrize(
    ("items", "batch", "repeats"), [(8, 4, 1), (31, 4, 1), (5, 1, 1), (1, 1, 1), (6, 8, 3), (3, 5, 2)]
)
def test_they_are_even_within_a_step_and_over_the_views_of_each_picture(items: int, batch: int, repeats: int) -> None:
    steps = 48 * items // batch + 1
    run, chance = taken(items, batch, steps, repeats), random.Random(0)
    for step in run:
        assert sorted(int(level * batch) for _, level in step) == list(range(batch))
    even, drawn = [], []
    for item in range(items):
        own = [level for step in run for one, level in step if one == item]
        assert len(own) >= 40 and len(set(own)) == len(own)
        even.append(discrepancy(own))
        drawn += [discrepancy([chance.random() for _ in own]) for _ in range(20)]
    assert sum(even) / len(even) < 0.85 * sum(drawn) / len(drawn)


def test_every_level_is_as_likely_as_another() -> None:
    firsts = [taken(8, 4, 1, seed=seed)[0] for seed in range(1500)]
    for place in range(4):
        assert discrepancy([step[place][1] for step in firsts]) < 0.05  # 1.96 of sqrt(1500) in one of 1,000 tries


def test_a_view_is_numbered_once_over_all_epochs() -> None:
    seen = [draws.item_at(place, draws.Epoch((3,) * 5), seed=1) for place in range(5 * 3 * 4)]
    for item, own in itertools.groupby(sorted(seen, key=lambda one: one.item), key=lambda one: one.item):
        assert sorted(one.number for one in own) == list(range(12)), item
