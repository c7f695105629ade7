"""The table is honest: what cannot be told apart is not, and what counts otherwise is not held against each other."""

from __future__ import annotations

import random
from dataclasses import replace

from loratui.settings.answers import Answers
from loratui.sweeps.declaration import Sweep, declared, grid_axis
from loratui.sweeps.points import label, points
from loratui.sweeps.progress import PointRun
from loratui.sweeps.results import COUNTED_BY, Measured, Results, Row, compared
from loratui.sweeps.table import as_json, remarks, table_lines

ALIKE = ("same",) * len(COUNTED_BY)
SWEEP = declared("ranks", Answers(), [grid_axis("train.rank=2,4,8")], 3)


def rows_of(sweep: Sweep, means: list[float], apart: float = 0.01, held: bool = True) -> list[Row]:
    """A row for each mean, whose seeds scatter by `apart` beside what the seed itself does to all of them."""
    chance = random.Random(1)
    of_seed = [chance.gauss(0, 0.2) for _ in range(sweep.seeds)]
    found = []
    for at, mean in enumerate(means):
        own = [one for one in points(sweep) if one.places == (at,)]
        measured = []
        for seed in range(sweep.seeds):
            loss = mean * (1 + of_seed[seed] + chance.gauss(0, apart))
            draws = tuple(loss * (1 + 0.5 * ((draw * 7919) % 13 - 6) / 6) for draw in range(16))
            measured.append(Measured(seed, draws, sum(draws) / 16, held, 40, ALIKE))
        runs = tuple(map(PointRun, own))
        found.append(Row(own[0], label(sweep, own[0], seed=False), runs, tuple(measured), 1000 * (at + 1), 30.0))
    return found


def marks(found: Results) -> dict[str, str]:
    return {row.label: row.mark for row in found.rows}


def test_the_lowest_stands_first_and_what_lies_within_the_noise_is_level_with_it() -> None:
    found = compared(SWEEP, rows_of(SWEEP, [0.2, 0.1, 0.1005]))
    assert [row.label for row in found.rows] == ["rank 4", "rank 8", "rank 2"]
    assert marks(found) == {"rank 4": "best", "rank 8": "level", "rank 2": ""}
    assert remarks(found)[0] == "Lowest: rank 4. Level with it, as far as can be told: rank 8."
    assert found.rows[0].spread is not None and found.rows[0].spread > 0.005  # what the seeds do to all is in it
    lines = table_lines(found)
    assert lines[0].split() == ["no", "rank", "held-out", "loss", "size", "time"]
    assert lines[1].startswith("4   4") and "★ lowest" in lines[1] and "1 kB" in lines[3] and "±" in lines[1]


def test_where_nothing_can_be_told_apart_nothing_is_called_better() -> None:
    found = compared(SWEEP, rows_of(SWEEP, [0.1, 0.1001, 0.1002], apart=0.1))
    assert sorted(marks(found).values()) == ["best", "level", "level"]
    assert remarks(found)[0] == "Nothing tells these 3 apart: what lies between them is within the noise."


def test_two_differences_alike_by_chance_tell_nothing_apart() -> None:
    """Of two values with two seeds nothing is left by which the noise is known; with three seeds there is."""
    for seeds, mark in ((2, "level"), (3, "")):
        sweep = declared("ranks", Answers(), [grid_axis("train.rank=2,4")], seeds=seeds)
        found = compared(sweep, rows_of(sweep, [0.1, 0.1001], apart=1e-9))
        assert marks(found) == {"rank 2": "best", "rank 4": mark}


def test_what_is_lower_in_logs_is_level_with_the_lowest_mean() -> None:
    """A loss is shown as a mean and tested as a ratio: one large draw may turn their order about."""
    sweep = declared("ranks", Answers(), [grid_axis("train.rank=2,4")], seeds=4)
    low, high = rows_of(sweep, [0.1, 0.1], apart=1e-9)
    steady = tuple(replace(one, losses=(0.1,) * 16, mean=0.1) for one in low.measured)
    uneven = tuple(replace(one, losses=(0.01,) * 15 + (1.6,), mean=0.109) for one in high.measured)
    found = compared(sweep, [replace(low, measured=steady), replace(high, measured=uneven)])
    assert marks(found) == {"rank 2": "best", "rank 4": "level"}


def test_one_seed_is_held_against_the_draws_and_says_what_is_not_known() -> None:
    one = declared("ranks", Answers(), [grid_axis("train.rank=2,4,8")])
    found = compared(one, rows_of(one, [0.2, 0.1, 0.1]))
    assert next(iter(marks(found).values())) == "best" and found.rows[0].spread is None
    assert any(words.startswith("One seed each") for words in remarks(found))


def test_losses_that_count_otherwise_are_never_held_against_each_other() -> None:
    rows = rows_of(SWEEP, [0.2, 0.1, 0.15])
    snr = list(ALIKE)
    snr[COUNTED_BY.index("train.min_snr_gamma")] = "5.0"
    rows[1] = replace(rows[1], measured=tuple(replace(one, counted=tuple(snr)) for one in rows[1].measured))
    found = compared(SWEEP, rows)
    assert found.groups == 2 and found.told_by == ("train.min_snr_gamma",)
    assert marks(found) == {"rank 8": "best", "rank 2": "", "rank 4": ""}  # alone in its group nothing is best
    assert any("min-SNR gamma" in words for words in remarks(found))
    assert "(a)" in table_lines(found)[1] and "(b)" in table_lines(found)[3]


def test_a_training_loss_is_called_one_and_a_row_that_is_not_whole_has_none() -> None:
    rows = rows_of(SWEEP, [0.2, 0.1, 0.15], held=False)
    rows[1] = replace(rows[1], measured=rows[1].measured[:2])
    found = compared(SWEEP, rows)
    assert found.rows[-1].label == "rank 4" and found.rows[-1].loss is None
    assert "training loss" in table_lines(found)[0] and "3 missing" in table_lines(found)[-1]
    assert any("hold pictures out" in words for words in remarks(found))
    assert "training loss" in table_lines(compared(SWEEP, rows[1:2]))[0]  # also where no row is whole yet
    none = [replace(row, measured=()) for row in rows]
    assert table_lines(compared(SWEEP, none))[0].split() == ["no", "rank", "loss", "size", "time"]
    told = as_json(found, [one for row in found.rows for one in row.runs])
    assert told["rows"][0]["mark"] == "best" and told["rows"][-1]["loss"] is None
    assert told["axes"] == [{"settings": ["train.rank"], "values": [[2], [4], [8]]}]
