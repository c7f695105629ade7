"""The README says what is so: its tables, its commands, its pictures."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from tests.tables import README, with_tables

ROOT = README.parent


def test_the_tables_are_those_of_the_declarations() -> None:
    text = README.read_text(encoding="utf-8")
    assert with_tables(text) == text, "run: python -m tests.tables"


def test_every_command_of_the_table_exists() -> None:
    text = README.read_text(encoding="utf-8")
    rows = re.findall(r"^\| (`loratui.*?) \|", text, flags=re.M)
    names = {word for row in rows for part in re.findall(r"`([^`]*)`", row) for word in part.split()[:2]} - {"loratui"}
    asked = [sys.executable, "-m", "loratui", "--help"]
    shown = subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert len(names) > 10
    commands = re.findall(r"^  ([a-z]+)  ", shown.partition("Commands:")[2], flags=re.M)
    assert len(commands) > 10 and [name for name in commands if name not in names] == [], "each has its row"
    assert [name for name in names if name.isalpha() and name.islower() and f"  {name} " not in shown] == []


def test_every_picture_and_file_that_it_names_is_there() -> None:
    text = README.read_text(encoding="utf-8")
    named = [*re.findall(r"\]\(([\w/.-]+)\)", text), "tests/README.md", "trainer/demo/README.md", "tests/tables.py"]
    assert [name for name in named if not (ROOT / name).is_file()] == []


def test_ci_calls_the_readmes_own_command() -> None:
    lines = [line for line in README.read_text(encoding="utf-8").splitlines() if line.startswith("python3 -m venv")]
    assert len(lines) == 2
    assert lines[1].endswith("-m pytest -n 2 --dist loadfile")
    assert "<!-- the tests -->" in Path(ROOT / ".ci" / "run").read_text(encoding="utf-8")
