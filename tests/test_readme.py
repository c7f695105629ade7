"""The README and docs/ say what is so: their tables, commands, links and pictures."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from loratui.terminal.shipped_help import HELP
from tests.tables import PAGES, ROOT, TABLES, help_text, with_tables

README, COMMANDS = ROOT / "README.md", ROOT / "docs" / "commands.md"


def test_the_tables_are_those_of_the_declarations() -> None:
    texts = {page.name: page.read_text(encoding="utf-8") for page in PAGES}
    assert [name for name, text in texts.items() if with_tables(text) != text] == [], "run: python -m tests.tables"
    everything = "".join(texts.values())
    assert [name for name in TABLES if everything.count(f"<!-- {name} -->") != 1] == [], "each table stands once"


def test_the_help_that_ships_is_what_the_commands_say() -> None:
    assert Path(HELP).read_text(encoding="utf-8") == help_text(), "run: python -m tests.tables"


def test_every_command_of_the_table_exists() -> None:
    text = COMMANDS.read_text(encoding="utf-8")
    rows = re.findall(r"^\| (`loratui.*?) \|", text, flags=re.M)
    names = {word for row in rows for part in re.findall(r"`([^`]*)`", row) for word in part.split()[:2]} - {"loratui"}
    asked = [sys.executable, "-m", "loratui", "--help"]
    shown = subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert len(names) > 10
    commands = re.findall(r"^  ([a-z]+)  ", shown.partition("Commands:")[2], flags=re.M)
    assert len(commands) > 10 and [name for name in commands if name not in names] == [], "each has its row"
    assert [name for name in names if name.isalpha() and name.islower() and f"  {name} " not in shown] == []


def test_every_picture_and_file_that_it_names_is_there() -> None:
    named = [(page, name) for page in PAGES for name in re.findall(r"\]\(([\w/.-]+)", page.read_text(encoding="utf-8"))]
    named += [(README, name) for name in ("tests/README.md", "trainer/demo/README.md", "tests/tables.py")]
    assert len(named) > 20
    assert [(page.name, name) for page, name in named if not (page.parent / name).is_file()] == []


def test_every_page_is_linked_from_the_readme_and_short() -> None:
    text = README.read_text(encoding="utf-8")
    assert [page.name for page in PAGES[1:] if f"](docs/{page.name})" not in text] == []
    assert len(text.splitlines()) < 150, "it is read in one sitting"


def test_ci_calls_the_readmes_own_command() -> None:
    lines = [line for line in README.read_text(encoding="utf-8").splitlines() if line.startswith("python3 -m venv")]
    assert len(lines) == 2
    assert lines[1].endswith("-m pytest -n 3 --dist loadfile")
    assert "<!-- the tests -->" in Path(ROOT / ".ci" / "run").read_text(encoding="utf-8")


def test_its_lines_for_several_machines_are_those_that_are_tried() -> None:
    """tests/trainer/ground/test_world.py starts what stands in docs/clusters.md."""
    tried = (ROOT / "docs" / "clusters.md").read_text(encoding="utf-8").splitlines()
    lines = [one for one in README.read_text(encoding="utf-8").splitlines() if "-m trainer" in one]
    assert [one.split()[0] for one in lines] == ["torchrun", "accelerate"] and set(lines) <= set(tried)
