"""The house rules that a command can check: lint, format, types, and no file that one would scroll through."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LONGEST = 350


TOOLS = [["ruff", "check", "."], ["ruff", "format", "--check", "."], pytest.param(["mypy"], marks=pytest.mark.slow)]


@pytest.mark.parametrize("command", TOOLS)
def test_the_tools_have_nothing_to_say(command: list[str]) -> None:
    done = subprocess.run([sys.executable, "-m", *command], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_file_can_be_read_in_a_sitting() -> None:
    files = [path for name in ("loratui", "trainer", "tests", "screenshots") for path in (ROOT / name).rglob("*.py")]
    long = {str(path.relative_to(ROOT)): n for path in files if (n := len(path.read_text().splitlines())) > LONGEST}
    assert long == {}


def test_every_module_opens_with_a_sentence() -> None:
    files = [path for name in ("loratui", "trainer") for path in (ROOT / name).rglob("*.py")]
    opened = {path.relative_to(ROOT): path.read_text() for path in files}
    assert [path for path, text in opened.items() if text and not text.startswith('"""')] == []


def test_no_registry_is_named() -> None:
    names = ("py" + "pi.org", "python" + "hosted.org", "npm" + "js.org", "deb." + "debian.org")
    files = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\n")
    texts = [ROOT / name for name in files if name.endswith((".py", ".md", ".toml", ".txt", ".yml", "run"))]
    assert [path.name for path in texts if path.exists() and any(n in path.read_text() for n in names)] == []
