"""What the runs of the same seeds say when they are laid side by side: means, differences, intervals and p."""

from __future__ import annotations

import itertools
import math
import random
import statistics
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

# the 97.5 % points of Student's t at 1 .. 19 degrees of freedom
STUDENT = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131)
STUDENT += (2.120, 2.110, 2.101, 2.093)
EXACT = 16  # pairs
FIGURES = {"ui": "held-out loss", "ui pictures": "distance of pictures"}
Record = dict[str, Any]
Settings = dict[str, Any]


@dataclass(frozen=True)
class Comparison:
    """The figures of the same seeds under two sets of settings, the second less the first."""

    before: float
    difference: float
    half_width: float  # of the 95 % interval of the difference
    p: float  # two-sided, from turning every sign round in all ways; of more than EXACT pairs, in 65,536 of them
    seeds: int

    @classmethod
    def of(cls, first: list[float], second: list[float]) -> Comparison:
        """From pairs in the same order, at least two of them."""
        apart = [b - a for a, b in zip(first, second, strict=True)]
        turned = [abs(sum(s * one for s, one in zip(each, apart, strict=True))) for each in _signs(len(apart))]
        extreme = sum(one >= abs(sum(apart)) * (1 - 1e-12) for one in turned)
        p = extreme / len(turned)
        return cls(statistics.mean(first), statistics.mean(apart), half_width(apart), p, len(apart))


def _signs(pairs: int) -> Iterator[tuple[int, ...]]:
    if pairs <= EXACT:
        return itertools.product((1, -1), repeat=pairs)
    rng = random.Random(0)
    return (tuple(rng.choice((1, -1)) for _ in range(pairs)) for _ in range(2**EXACT))


def half_width(values: list[float]) -> float:
    """Of the 95 % interval of the mean, by Student's t; of more than 20 values a little too wide."""
    return STUDENT[min(len(values), len(STUDENT) + 1) - 2] * statistics.stdev(values) / math.sqrt(len(values))


def figures_of(results: list[Record], concept: str, own: Settings, figure: str) -> dict[int, float]:
    """One figure by seed. Of the reference it is read in two ways, and that counts whose mean is the lower one."""
    records = [one for one in results if (one["concept"], one["set"]) == (concept, own)]
    readings = (figure, figure.replace("ui", "argmax")) if "trainer" in own else (figure,)
    found = [{one["seed"]: float(one[each]) for one in records} for each in readings]
    return min(found, key=lambda each: statistics.mean(each.values() or (0.0,)))


def table(results: list[Record], concepts: list[str], sets: list[Settings]) -> str:
    """Both figures of each set, and how the later ones stand to the first, in Markdown; of the seeds that both have."""
    heads = ("concept", "settings", *(f"{one}, 95 % | less the first's | p" for one in FIGURES.values()), "seeds")
    lines = [f"| {' | '.join(heads)} |", "|---" * (3 + 3 * len(FIGURES)) + "|"]
    for concept, own in itertools.product(concepts, sets):
        cells, seeds = [], 0
        for figure in FIGURES:
            first, second = (figures_of(results, concept, one, figure) for one in (sets[0], own))
            both = sorted(first.keys() & second.keys())
            seeds = len(both)
            if seeds > 1:
                cells += _cells([first[one] for one in both], [second[one] for one in both], own == sets[0])
        if cells:
            lines.append(f"| {concept} | {_words(own, sets)} | {' | '.join(cells)} | {seeds} |")
    return "\n".join(lines)


def over_all(results: list[Record], concepts: list[str], sets: list[Settings]) -> str:
    """How the later sets stand to the first over all concepts: the mean of the log ratios of all pairs, a line each."""
    lines = []
    for own, figure in itertools.product(sets[1:], FIGURES):
        pairs = []
        for concept in concepts:
            first, second = (figures_of(results, concept, one, figure) for one in (sets[0], own))
            pairs += [(math.log(first[one]), math.log(second[one])) for one in sorted(first.keys() & second.keys())]
        if len(pairs) > 1:
            found = Comparison.of([one for one, _ in pairs], [other for _, other in pairs])
            low, middle, high = (math.expm1(found.difference + side * found.half_width) for side in (-1, 0, 1))
            lines.append(
                f"all concepts, {_words(own, sets)} against {_words(sets[0], sets)}: {FIGURES[figure]} {middle:+.1%} "
                f"({low:+.1%} to {high:+.1%}), p {found.p:.3f}, {found.seeds} pairs"
            )
    return "\n".join(lines)


def _cells(first: list[float], second: list[float], same: bool) -> list[str]:
    mean = f"{statistics.mean(second):.4f} ± {half_width(second):.4f}"
    if same:
        return [mean, "", ""]
    found = Comparison.of(first, second)
    apart = f"{found.difference:+.4f} ± {found.half_width:.4f} ({found.difference / found.before:+.1%})"
    return [mean, apart, f"{found.p:.3f}"]


def _words(own: Settings, sets: list[Settings]) -> str:
    """What it does not share with all of the others."""
    if "trainer" in own:
        return "ADV"
    ours = [one for one in sets if "trainer" not in one]
    apart = [f"`{key}={value}`" for key, value in own.items() if any(one.get(key) != value for one in ours)]
    return ", ".join(apart) or "as they are"
