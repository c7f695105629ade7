"""What came of a sweep: one row for each combination, its loss over the seeds, and what can be told apart."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from statistics import fmean, stdev
from typing import Any, Literal

from loratui.results.comparison import ComparedRun, facts_of
from loratui.results.paired import SMALLEST, holm, student, surely
from loratui.sweeps.declaration import SEED, Sweep
from loratui.sweeps.points import Point, label
from loratui.sweeps.progress import PointRun
from loratui.terminal.numbers import number
from trainer.contract.run.rundir import RunDir
from trainer.contract.settings.config import BY_KEY

# settings that change what the loss at fixed noise counts: two runs that differ in one of them are no measurement of
# the same thing. The seed is not among them: it draws pictures and noise anew, and those of one seed are held together
COUNTED_BY = tuple(
    key
    for key in BY_KEY
    if key.partition(".")[0] in ("model", "loss", "mask")
    or key in ("train.min_snr_gamma", "train.edm", "train.resolution", "train.precision")
    or key in (f"dataset.{one}" for one in ("path", "subset", "split", "hold_out", "skip", "crop", "buckets"))
    or key in ("dataset.background", "dataset.caption_column")
)
Mark = Literal["best", "level", ""]
FREE = 2  # degrees of freedom from which on the noise is taken as known
ROUNDING = 1e-12  # logs nearer than this are the same


@dataclass(frozen=True)
class Measured:
    """What one run that is over came to."""

    seed: int  # which of the seeds, counted from 0
    losses: tuple[float, ...]
    mean: float | None
    held_out: bool
    step: int
    counted: tuple[str, ...]  # what its loss counts: only alike ones can be compared


@dataclass(frozen=True)
class Row:
    """One combination of the axes, all its seeds together."""

    point: Point  # of the first seed
    label: str
    runs: tuple[PointRun, ...]
    measured: tuple[Measured, ...]  # of those that are completed
    size: int | None  # bytes of the LoRA
    seconds: float | None  # of a run, the mean of those that are completed
    group: int = 0  # rows of one group count their loss alike
    mark: Mark = ""

    @property
    def loss(self) -> float | None:
        """The mean over the seeds; None unless all of them are there."""
        means = [one.mean for one in self.measured if one.mean is not None]
        return fmean(means) if means and len(means) == len(self.runs) else None

    @property
    def spread(self) -> float | None:
        """The standard deviation over the seeds; None of one seed."""
        means = [one.mean for one in self.measured if one.mean is not None]
        return stdev(means) if len(means) > 1 and self.loss is not None else None

    @property
    def held_out(self) -> bool:
        """Whether the loss is one on pictures that were never trained on."""
        return bool(self.measured) and all(one.held_out for one in self.measured)


@dataclass(frozen=True)
class Results:
    """The table: the rows with a loss first, the lowest of each group on top; then the others."""

    sweep: Sweep
    rows: tuple[Row, ...]
    groups: int  # of losses that can be compared
    told_by: tuple[str, ...]  # the settings by which the groups differ

    @property
    def best(self) -> tuple[Row, ...]:
        """The lowest of each group."""
        return tuple(one for one in self.rows if one.mark == "best")


def results(sweep: Sweep, found: Sequence[PointRun]) -> Results:
    """Read what the runs say of themselves, and compare it."""
    by_places: dict[tuple[int, ...], list[PointRun]] = {}
    for one in found:
        by_places.setdefault(one.point.places, []).append(one)
    rows = [_row(sweep, tuple(runs)) for runs in by_places.values()]
    return compared(sweep, rows)


def compared(sweep: Sweep, rows: Sequence[Row]) -> Results:
    """The rows in their order, those that count alike held against the best of them."""
    kinds = list(dict.fromkeys(row.measured[0].counted for row in rows if row.loss is not None))
    ordered: list[Row] = []
    for group, kind in enumerate(kinds, 1):
        alike = [row for row in rows if row.loss is not None and row.measured[0].counted == kind]
        ordered += [replace(row, group=group) for row in _judged(sorted(alike, key=lambda row: row.loss or 0.0))]
    rest = [row for row in rows if row.loss is None]
    differing = [key for at, key in enumerate(_keys(sweep)) if len({kind[at] for kind in kinds}) > 1]
    return Results(sweep, (*ordered, *rest), len(kinds), tuple(differing))


def _judged(rows: list[Row]) -> list[Row]:
    """Mark the lowest, and those that cannot be told from it; with one alone nothing is best."""
    if len(rows) < 2:
        return rows
    best, others = rows[0], rows[1:]
    if len(best.runs) > 1:
        apart = holm(_chances_over_seeds(rows))
    else:
        pairs = [_draws(best.measured[0], other.measured[0]) for other in others]
        apart = surely([pair for pair in pairs if pair[0]]) if all(pair[0] for pair in pairs) else [False] * len(pairs)
    marked = [replace(one, mark="" if sure else "level") for one, sure in zip(others, apart, strict=True)]
    return [replace(best, mark="best"), *marked]


def _chances_over_seeds(rows: Sequence[Row]) -> list[float]:
    """For each row but the first: how likely chance alone moves it as far from the first as it lies.

    One observation is the mean log loss of one run; each seed is a block, for all rows have the same pictures and noise
    in it, and what is left when rows and seeds are taken out is the noise, shared by all rows (the two-way analysis of
    variance without interaction: Fisher, The Design of Experiments, 1935). Of two rows it is the test in pairs. Draws
    within a run are no observations of chance between runs, however many they are. Two rows of two seeds are never told
    apart: their two differences are too easily alike by chance. Nor is the first lower than a row whose logs are lower.
    """
    seeds = range(len(rows[0].runs))
    counts = [min(len(row.measured[seed].losses) for row in rows) for seed in seeds]
    logs = [[_log_loss(row.measured[seed], counts[seed]) for seed in seeds] for row in rows]
    row_means = [fmean(one) for one in logs]
    seed_means = [fmean(one[seed] for one in logs) for seed in seeds]
    grand = fmean(row_means)
    left = [
        one[seed] - mean - seed_means[seed] + grand for one, mean in zip(logs, row_means, strict=True) for seed in seeds
    ]
    free = (len(rows) - 1) * (len(seeds) - 1)
    if free < FREE:
        return [1.0] * (len(rows) - 1)
    error = math.sqrt(2 * sum(one**2 for one in left) / free / len(seeds))
    apart = [max(0.0, mean - row_means[0]) for mean in row_means[1:]]
    if error < ROUNDING:
        return [0.0 if one > ROUNDING else 1.0 for one in apart]
    return [student(one / error, free) for one in apart]


def _log_loss(one: Measured, count: int) -> float:
    """The mean log of the first `count` draws, so that those with large losses do not drown the others."""
    draws = one.losses[:count] or (one.mean or SMALLEST,)
    return fmean(math.log(max(draw, SMALLEST)) for draw in draws)


def _draws(one: Measured, other: Measured) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """The draws that both have: those of a longer measurement begin with those of a shorter one."""
    count = min(len(one.losses), len(other.losses))
    return one.losses[:count], other.losses[:count]


def _row(sweep: Sweep, runs: tuple[PointRun, ...]) -> Row:
    keys = _keys(sweep)
    facts = [(one, read(one.run)) for one in runs if one.run is not None and one.state == "completed"]
    sizes = [size for one, fact in facts if (size := _size(one, fact)) is not None]
    measured = tuple(
        found
        for one, fact in facts
        if not one.changed and (found := _measured(one.point.repeat, fact, keys)) is not None
    )
    times = [fact.seconds for _, fact in facts if fact.seconds]
    words = label(sweep, runs[0].point, seed=False)
    return Row(runs[0].point, words, runs, measured, max(sizes, default=None), fmean(times) if times else None)


def _measured(seed: int, fact: ComparedRun, keys: Sequence[str]) -> Measured | None:
    """The last measurement of a run."""
    for event in reversed(fact.history.measures):
        mean, raw = number(event.get("loss")), event.get("losses")
        if mean is not None:
            draws = [number(one) for one in raw] if isinstance(raw, list) else []
            losses = tuple(one for one in draws if one is not None)
            whole = losses if len(losses) == len(draws) else ()
            held = event.get("of") == "held-out"
            return Measured(seed, whole, mean, held, int(event["step"]), _counted(fact.settings, keys))
    return None


def _counted(settings: Mapping[str, Any], keys: Sequence[str]) -> tuple[str, ...]:
    return tuple(repr(_plain(settings.get(key, BY_KEY[key].default))) for key in keys)


def _keys(sweep: Sweep) -> tuple[str, ...]:
    """What two losses must have in common; seeds along an axis draw other pictures and noise from place to place."""
    return (*COUNTED_BY, SEED) if any(SEED in axis.keys for axis in sweep.axes) else COUNTED_BY


def _size(one: PointRun, fact: ComparedRun) -> int | None:
    return fact.files.get(f"{one.point.name}.safetensors")


def read(run: RunDir) -> ComparedRun:
    """What is known of a run; read again only once its log has grown. Raises OSError."""
    try:
        info = run.events.stat()
        return _read(run.path, info.st_mtime_ns, info.st_size)
    except FileNotFoundError:
        return facts_of(run)


@lru_cache(maxsize=512)
def _read(path: Path, _changed: int, _size: int) -> ComparedRun:
    return facts_of(RunDir(path))


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
