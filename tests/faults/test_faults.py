"""A short slice of each part of the campaign; the whole is `python -m tests.faults`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.faults import syscalls
from tests.faults.tally import Tally
from tests.warm.client import WARM_CODE

pytestmark = pytest.mark.slow
CODE = f"{WARM_CODE}\nimport sys\nfrom tests.faults.__main__ import main\nsys.exit(main(sys.argv[1:]))"
ROOT = Path(__file__).parents[2]


def campaign(part: str, tries: int, seed: int) -> str:
    """So many tries of one part in a process of its own; its table. A broken promise fails in its own words."""
    asked = ["--only", part, "--tries", str(tries), "--seed", str(seed)]
    ran = subprocess.run([sys.executable, "-c", CODE, *asked], cwd=ROOT, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def test_killed_runs_end_with_the_bytes_of_one_left_alone(warm_trainer: None) -> None:
    assert "run to its end" in campaign("kills", 5, seed=2)


@pytest.mark.skipif(bool(syscalls.missing()), reason=syscalls.missing())
def test_failed_system_calls_leave_the_old_or_the_new(warm_trainer: None) -> None:
    assert "kill" in campaign("calls", 40, seed=4)


def test_hostile_inputs_are_read_or_refused(warm_trainer: None) -> None:
    told = campaign("inputs", 300, seed=5)
    assert "refused" in told and "read" in told


def test_races_have_one_winner(warm_trainer: None) -> None:
    assert "each once" in campaign("races", 4, seed=6)


def test_what_is_broken_is_counted_and_told() -> None:
    tally = Tally("part", "promise")
    tally.add("kind", "exit 0", ["it broke"])
    tally.add("kind", "exit 0", [])
    assert (tally.total, tally.broken, tally.bad) == (2, 1, ["kind: it broke"])
