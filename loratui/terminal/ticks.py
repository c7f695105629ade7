"""The round numbers beside an axis, and how they are written in the room that they have."""

from __future__ import annotations

import math

from loratui.terminal.numbers import short

SCALES = (1.0, 2.0, 2.5, 5.0, 10.0)


def decades(low: float, high: float, rows: int) -> list[tuple[float, str]]:
    """The powers of ten between two exponents, each with its label."""
    every = max(1, math.ceil((high - low) / max(1, rows // 2)))
    ticks = range(math.floor(high), math.ceil(low) - 1, -every)
    return [(float(tick), f"1e{tick}") for tick in ticks]


def told_ticks(low: float, high: float, rows: int, cells: int) -> list[tuple[float, str]]:
    """Round ticks, each with its label of at most `cells`: as many as have room in `rows` and can be told apart."""
    for count in range(max(2, rows // 2), 0, -1):
        ticks = _round_ticks(low, high, count)
        words = [short(tick, (high - low) / count / 100, cells) for tick in ticks]
        if all(words):
            break
    return [(tick, text) for tick, text in zip(ticks, words, strict=True) if text]


def _round_ticks(low: float, high: float, count: int) -> list[float]:
    rough = (high - low) / count
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(scale for scale in SCALES if scale * power >= rough * 0.999) * power
    first = math.ceil(low / step)
    return [index * step for index in range(first, math.floor(high / step) + 1)]
