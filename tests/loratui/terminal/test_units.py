"""Sizes and durations read the same everywhere: their words, and that no other module has words of its own."""

from __future__ import annotations

import ast
import re
from itertools import pairwise
from pathlib import Path

import pytest

from loratui.terminal.units import GIB, ago, bytes_of, clock, in_bytes, in_gib, in_time

ROOT = Path(__file__).parents[3]
WORDED_IN = {"loratui/terminal/units.py", "trainer/contract/units.py"}
# what a person asked for and is told back; figures of a developer's own run that makes the small model
BESIDE = {"loratui/planning/hardware.py", "trainer/demo/make_model.py", "trainer/demo/stage_log.py"}
UNIT = re.compile(r" ?[kMG]i?B\b| (ms|s|min|minutes|h|hours)\b")


def test_a_size_is_said_to_a_tenth_and_never_as_a_thousand_of_the_lesser_unit() -> None:
    sizes = (0, 999, 999.6, 12_345, 93e6, 99.96e6, 170.4e6, 999.6e6, 5.14e9, 13.44e9, 2.5e12)
    assert [in_bytes(one) for one in sizes] == [
        *("0 B", "999 B", "1 kB", "12.3 kB", "93 MB", "100 MB", "170 MB", "1 GB", "5.1 GB", "13.4 GB", "2500 GB")
    ]
    assert in_bytes(None) == "? MB"
    assert in_gib(24 * GIB) == "24 GiB"


def test_a_part_is_said_in_the_unit_of_its_whole() -> None:
    assert bytes_of(2_100_000_000, 6_900_000_000) == "2.1 of 6.9 GB"
    assert bytes_of(3_400_000, 9_100_000) == "3.4 of 9.1 MB"
    assert bytes_of(12_000_000, 999_700_000) == "0 of 1 GB"
    assert bytes_of(500, 900) == "500 of 900 B"
    assert bytes_of(93e6, 0) == "93 MB"


@pytest.mark.parametrize(
    ("seconds", "coarse", "running"),
    [
        (0, "0 ms", "0:00"),
        (0.0004, "0.4 ms", "0:00"),
        (0.021, "21 ms", "0:00"),
        (0.5, "0.50 s", "0:00"),
        (0.996, "1 s", "0:01"),
        (1.53, "1.5 s", "0:02"),
        (9.96, "10 s", "0:10"),
        (45, "45 s", "0:45"),
        (65, "65 s", "1:05"),
        (720, "12 min", "12:00"),
        (3700, "62 min", "1:01:40"),
        (12_000, "3 h 20 min", "3:20:00"),
    ],
)
def test_a_duration_is_coarse_where_it_is_estimated_and_a_clock_where_it_runs(
    seconds: float, coarse: str, running: str
) -> None:
    assert (in_time(seconds), clock(seconds)) == (coarse, running)


def test_an_unknown_duration_is_said_to_be_so() -> None:
    assert (clock(None), clock(-3)) == ("--:--", "0:00")


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-5, "just now"),
        (59, "just now"),
        (60, "1 min ago"),
        (7300, "2 h ago"),
        (86400, "1 day ago"),
        (14 * 86400, "14 days ago"),
    ],
)
def test_how_long_ago(seconds: float, words: str) -> None:
    assert ago(1_000_000, 1_000_000 + seconds) == words


def test_long_ago_is_a_date() -> None:
    assert ago(0, 1e9)[:3] in ("197", "196")


def own_wordings(text: str) -> list[str]:
    """Every value that an f-string of the module's text puts straight before the name of a unit."""
    found = []
    for node in ast.walk(ast.parse(text)):
        parts = node.values if isinstance(node, ast.JoinedStr) else []
        for value, after in pairwise(parts):
            told = after.value if isinstance(after, ast.Constant) else ""
            if isinstance(value, ast.FormattedValue) and UNIT.match(str(told)):
                found.append(ast.unparse(node))
    return found


def test_no_other_module_words_sizes_or_durations() -> None:
    assert own_wordings('f"{size / 1e9:.1f} GB free"') and own_wordings('f"{seconds:.0f} s left"')
    assert not own_wordings('f"{in_bytes(size)} free, {steps} steps, {rate} samples, {name}s"')
    files = [path for room in ("loratui", "trainer") for path in (ROOT / room).rglob("*.py")]
    names = {str(path.relative_to(ROOT)): path for path in files}
    assert names.keys() >= WORDED_IN | BESIDE
    found = {name: said for name, path in names.items() if (said := own_wordings(path.read_text()))}
    assert {name: said for name, said in found.items() if name not in WORDED_IN | BESIDE} == {}
