"""A sweep's points: every combination of its axes, in order; a pure function of the declaration."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from itertools import product
from typing import Any

from loratui.settings.answers import preset_values
from loratui.settings.problems import AnswersError
from loratui.sweeps.declaration import SEED, Axis, Sweep
from trainer.contract.settings.config import BY_KEY

LONGEST = 64  # characters of a run's name


@dataclass(frozen=True)
class Point:
    """One run of a sweep: where it lies on each axis, and the settings that make it what it is."""

    number: int  # counted from 1
    places: tuple[int, ...]  # along each axis
    repeat: int  # which of the seeds, counted from 0
    values: Mapping[str, Any]  # over the base answers, its name among them

    @property
    def name(self) -> str:
        """What the run and its folder are called."""
        return str(self.values["name"])


def points(sweep: Sweep) -> tuple[Point, ...]:
    """Every point; the last axis changes fastest, and the seeds of one combination stand together."""
    first = first_seed(sweep)
    found: list[Point] = []
    for places in product(*(range(len(axis.places)) for axis in sweep.axes)):
        chosen = dict(sweep.fixed)
        for axis, place in zip(sweep.axes, places, strict=True):
            chosen.update(zip(axis.keys, axis.places[place], strict=True))
        for repeat in range(sweep.seeds):
            number = len(found) + 1
            seed = {SEED: first + repeat} if sweep.seeds > 1 else {}
            values = {**chosen, **seed, "name": _name(sweep, number, places, repeat)}
            found.append(Point(number, places, repeat, values))
    return tuple(found)


def first_seed(sweep: Sweep) -> int:
    """The seed of the answers; the others follow it."""
    chosen = {**sweep.base.values, **sweep.fixed}
    with suppress(AnswersError):  # said of every point, with the place
        chosen = {**preset_values(sweep.base.preset, chosen), **chosen}
    value = chosen.get(SEED, BY_KEY[SEED].default)
    return value if isinstance(value, int) else 0


def label(sweep: Sweep, point: Point, seed: bool = True) -> str:
    """A point in words: "rank 4, optimizer prodigy, seed 1"."""
    words = [place_words(axis, place) for axis, place in zip(sweep.axes, point.places, strict=True)]
    if seed and sweep.seeds > 1:
        words.append(f"seed {point.values[SEED]}")
    return ", ".join(words) or "as it is"


def place_words(axis: Axis, place: int) -> str:
    """One place of an axis with what changes there: "rank 4"; its label alone where it has one."""
    return axis.label(place) if axis.labels else f"{axis.title} {axis.label(place)}"


def _name(sweep: Sweep, number: int, places: tuple[int, ...], repeat: int) -> str:
    words = []
    for axis, place in zip(sweep.axes, places, strict=True):
        short = "" if axis.labels or len(axis.keys) > 1 else axis.keys[0].rpartition(".")[2]
        numbers = short if all(isinstance(one[0], int | float) for one in axis.places) else ""
        words.append(f"{numbers}{axis.label(place)}")
    words += [f"seed{repeat}"] if sweep.seeds > 1 else []
    slug = re.sub(r"[^A-Za-z0-9_]+", "-", "-".join(words)).strip("-_")
    width = max(2, len(str(sweep.runs)))
    return f"{sweep.name}-{number:0{width}d}-{slug}"[:LONGEST].rstrip("-_")
