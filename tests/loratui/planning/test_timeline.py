"""The run as one line: every mark in the cell of its step, whatever the width, and the words beside it true."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest

from loratui.planning.timeline import arithmetic_line, cell_of, run_line
from loratui.terminal.glyphs import MARKS
from trainer.contract.settings.arithmetic import Schedule, schedule
from trainer.contract.settings.config import TrainConfig, nested


def config(**own: object) -> TrainConfig:
    return TrainConfig.model_validate(nested({key.replace("__", "."): value for key, value in own.items()}))


CASES = {
    "as the preset has it": config(),
    "crowded": config(train__checkpoint_every=10, train__sample_every=7),
    "long": config(train__steps=100_000),
    "one step": config(train__steps=1, train__batch=1),
    "no pivot, no marks between": config(
        train__checkpoint_every=0, train__sample_every=0, pivotal__enabled=False, train__steps=77
    ),
    "the pivot at the end": config(pivotal__fraction=1.0),
    "no sample pictures": config(sample__count=0),
}


def stacks(lines: list[str], cells: int) -> dict[int, set[str]]:
    """The glyphs at each cell of the drawn track."""
    rows = [lines[0], *(line for line in lines[1:4] if line.startswith("  ") and not re.search(r"\d", line))]
    drawn: dict[int, set[str]] = {}
    for row in rows:
        for cell, glyph in enumerate(row[2 : 2 + cells]):
            if glyph in MARKS.values():
                drawn.setdefault(cell, set()).add(glyph)
    return drawn


def expected(times: Schedule, cells: int) -> dict[int, set[str]]:
    found: dict[int, set[str]] = {}
    pivot = () if times.pivot_within is None else (times.pivot_within,)
    for kind, steps in (("pivot", pivot), ("checkpoint", times.checkpoints), ("sample", times.samples)):
        for step in steps:
            found.setdefault(cell_of(step, times.steps, cells), set()).add(MARKS[kind])
    return found


@pytest.mark.parametrize("width", [40, 41, 57, 71, 80, 111, 200])
@pytest.mark.parametrize("case", CASES)
def test_every_mark_stands_in_the_cell_of_its_step_and_no_other(case: str, width: int) -> None:
    times = schedule(CASES[case], 31)
    lines = run_line(times, width)
    cells = width - len(f" {times.steps:,}") - 2
    assert stacks(lines, cells) == expected(times, cells)
    assert max(map(len, lines)) <= width
    assert lines[0].startswith("0 ") and lines[0].endswith(f" {times.steps:,}")


@pytest.mark.parametrize("width", [40, 80, 200])
@pytest.mark.parametrize("case", CASES)
def test_a_number_under_the_line_stands_under_its_mark(case: str, width: int) -> None:
    times = schedule(CASES[case], 31)
    cells = width - len(f" {times.steps:,}") - 2
    numbers = [line for line in run_line(times, width)[1:] if re.fullmatch(r"[\d, ]+", line)]
    places = [match for line in numbers for match in re.finditer(r"\S+", line)]
    found = [(one.start(), one.end(), int(one[0].replace(",", ""))) for one in places]
    between = {one for one in (*times.checkpoints, *times.samples, times.pivot_within) if one and 0 < one < times.steps}
    assert bool(found) == bool(between)
    steps = {*times.checkpoints, *times.samples, times.pivot}
    for start, end, step in found:
        assert step in steps
        # within the number, or beside it where the edge of the line moved it
        assert start - 1 <= 2 + cell_of(step, times.steps, cells) <= end
    assert all(one[1] < other[0] for one, other in pairwise(found))


@pytest.mark.parametrize("cells", [24, 57, 190])
@pytest.mark.parametrize("steps", [1, 2, 77, 1000, 100_000])
def test_a_cell_is_never_more_than_half_a_cell_off_its_step(steps: int, cells: int) -> None:
    assert (cell_of(0, steps, cells), cell_of(steps, steps, cells)) == (0, cells - 1)
    for step in range(0, steps + 1, max(1, steps // 500)):
        assert abs(cell_of(step, steps, cells) - step / steps * (cells - 1)) <= 0.5


def test_marks_that_share_a_cell_say_how_many() -> None:
    crowded = "\n".join(run_line(schedule(CASES["long"], 31), 80))
    most = max(int(found) for found in re.findall(r"up to (\d+) to a mark", crowded))
    times = schedule(CASES["long"], 31)
    cells = 80 - len(" 100,000") - 2
    cells_of = [cell_of(step, times.steps, cells) for step in times.samples]
    assert most == max(map(cells_of.count, set(cells_of)))
    assert "to a mark" not in "\n".join(run_line(schedule(config(), 31), 80))


def test_the_words_count_what_is_drawn() -> None:
    words = run_line(schedule(config(), 5), 100)[-1]
    assert words == "◆ pivot after step 500   ▲ 4 checkpoints   ○ 11 samples"
    for case in ("no pivot, no marks between", "the pivot at the end"):
        assert "no pivot" in run_line(schedule(CASES[case], 5), 100)[-1]


def test_the_arithmetic_is_the_trainers() -> None:
    """The step events say views / (pictures x repeats) as the epoch: 4 x 1000 views of 5 pictures are 800."""
    line = arithmetic_line(config(), schedule(config(), 5))
    assert line == (
        "5 pictures x 1 repeat / batch 4 = 1.25 steps per epoch -> 1,000 steps = 800 epochs, 800 views per image"
    )
    two = config(train__batch=2, train__accumulation=4, dataset__repeats=3, train__steps=1)
    assert arithmetic_line(two, schedule(two, 1)) == (
        "1 picture x 3 repeats / batch 2 x 4 = 0.375 steps per epoch -> 1 step = 2.67 epochs, 8 views per image"
    )
