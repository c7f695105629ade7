"""What can be known of a GPU where none is: the tests of `on_card`, each file in a process with the software card."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.card.card import library, why_not

FOLDER = Path(__file__).with_name("on_card")
pytestmark = [pytest.mark.slow, pytest.mark.skipif(bool(why_not()), reason=why_not() or "-")]


@pytest.mark.parametrize("name", sorted(path.name for path in FOLDER.glob("test_*.py")))
def test_what_runs_on_a_gpu(name: str, tmp_path: Path) -> None:
    library()
    command = [sys.executable, "-m", "pytest", "-q", "-p", "tests.card.in_use", "-p", "no:cacheprovider"]
    here = [str(FOLDER / name), f"--basetemp={tmp_path / 'base'}"]
    done = subprocess.run([*command, *here], cwd=FOLDER.parents[2], capture_output=True, text=True)
    assert done.returncode == 0 and " passed" in done.stdout, done.stdout + done.stderr
