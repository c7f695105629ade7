"""ARCHITECTURE.md says what is so: its rooms, its files, and how few of them a usual change touches."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
PACKAGES = ("", "loratui/", "trainer/", "trainer/contract/", "tests/")


def test_every_file_that_it_names_is_there() -> None:
    outside = TEXT.replace(TEXT[TEXT.index("## The run directory") : TEXT.index("## Where do I change")], "")
    named = re.findall(r"`([\w./]+/|[\w./]+\.(?:py|toml|md))`", outside)
    made = {"answers.toml", "config.toml", "control/", "RUN/config.toml"}  # of a run
    assert len(named) > 40
    assert [one for one in named if one not in made and not any((ROOT / p / one).exists() for p in PACKAGES)] == []


def test_a_usual_change_names_at_most_four_files() -> None:
    table = TEXT[TEXT.index("| change | files |") :]
    rows = [line.split("|") for line in table.splitlines()[2:] if line.startswith("| ")]
    assert len(rows) == 10
    for _, change, files, _ in rows:
        named = re.findall(r"`((?:loratui|trainer)/[\w./]+)`", files)
        assert 1 <= len(named) <= 4, change


def test_the_rooms_of_the_picture_are_those_that_the_tool_holds() -> None:
    picture = TEXT[TEXT.index("## The rooms") : TEXT.index("## The way of one answer")]
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    rooms = {room for one in contracts if one["type"] == "layers" for room in one["layers"]}
    rooms -= {"__main__", "next_run", "demo"}
    assert [room for room in sorted(rooms) if not re.search(rf"\b{room}\b", picture)] == []
