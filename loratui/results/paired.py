"""Whether the losses of checkpoints differ by more than the noise of their measurement, however many are compared."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TypeAlias

SMALLEST = 1e-12  # a loss under it is taken as it: zero has no logarithm
LEVEL = 0.05  # how often anything at all may be called different where nothing is

Losses: TypeAlias = Sequence[float]


def difference(one: Losses, other: Losses) -> tuple[float, float]:
    """The mean of log(loss of `one` / loss of `other`) over the same draws, and its standard error.

    A ratio, not a difference: losses of low and high noise levels are ten times apart, and the draws with large ones
    would drown the others.
    """
    logs = [(math.log(max(a, SMALLEST)), math.log(max(b, SMALLEST))) for a, b in zip(one, other, strict=True)]
    pairs = [a - b for a, b in logs]
    mean = sum(pairs) / len(pairs)
    if len(pairs) < 2:
        return mean, math.inf
    spread = sum((pair - mean) ** 2 for pair in pairs) / (len(pairs) - 1)
    return mean, math.sqrt(spread / len(pairs))


def student(t: float, free: int) -> float:
    """The chance that Student's t with this many degrees of freedom lies further from zero than `t`, on both sides.

    The finite series for whole degrees of freedom (Abramowitz and Stegun 1964, 26.7.3 and 26.7.4).
    """
    if free < 1:
        return 1.0
    angle = math.atan(abs(t) / math.sqrt(free))
    sine, cosine = math.sin(angle), math.cos(angle)
    odd = free % 2
    term, total = (cosine if odd else 1.0), 0.0
    for number in range(1, free // 2 + 1):
        total += term
        term *= cosine**2 * (2 * number - 1 + odd) / (2 * number + odd)
    inside = 2 / math.pi * (angle + sine * total) if odd else sine * total
    return max(0.0, 1.0 - inside)


def holm(chances: Sequence[float]) -> list[bool]:
    """Which of these comparisons are sure, when all of them together may be wrong in LEVEL of the cases at most.

    The smallest chance is held against LEVEL / n, the next against LEVEL / (n - 1), until one is larger (Holm 1979,
    A Simple Sequentially Rejective Multiple Test Procedure); it asks for no independence.
    """
    sure = [False] * len(chances)
    for rank, place in enumerate(sorted(range(len(chances)), key=chances.__getitem__)):
        if chances[place] > LEVEL / (len(chances) - rank):
            break
        sure[place] = True
    return sure


def surely(pairs: Sequence[tuple[Losses, Losses]]) -> list[bool]:
    """Which pairs of measurements differ by more than the noise, judged together."""
    return holm([_chance(one, other) for one, other in pairs])


def _chance(one: Losses, other: Losses) -> float:
    mean, error = difference(one, other)
    if error == 0.0:
        return 1.0 if mean == 0.0 else 0.0
    return student(mean / error, len(one) - 1)
