"""Which checkpoints were saved before a loss left its range: after that, what was trained is spoilt."""

from __future__ import annotations

from bisect import bisect_right

from loratui.events.series import Series

RANGE = 5.0  # times the lowest running mean of the first quarter; a healthy one stays near it or falls
OPENING = 4  # steps in which the running mean is little more than single steps, and jumps as they do


def sound_steps(mean: Series, steps: tuple[int, ...]) -> tuple[int, ...]:
    """Those of `steps` up to which the running mean of the loss never left its range; all without a loss."""
    start = beginning(mean)
    if start is None:
        return steps
    highs = zip(mean.steps, mean.highs, strict=True)
    left = next((step for step, high in highs if high > RANGE * start), None)
    return steps if left is None else steps[: bisect_right(steps, left - 1)]


def beginning(mean: Series) -> float | None:
    """Where the running mean of the loss began; None without a loss."""
    first = mean.values[: max(OPENING, len(mean) // 4)]
    settled = first[OPENING:] or first
    return min(settled) if settled else None
