"""The doctor's first line says whether SDXL can be trained here, whatever is lacking; no line is wider than 80."""

from __future__ import annotations

from dataclasses import replace

import pytest

from loratui.recovery.doctor import Check, checks, doctor_lines, verdict_lines
from tests.loratui.conftest import LoraTUI

ALL_WELL = [
    Check("python", "3.12", True, "install it", "Python 3.11", nothing_runs=True),
    Check("torch", "2.9", True, "install it", "torch", nothing_runs=True),
    Check("GPU 0", "a GPU", True, "get one", "no GPU"),
    Check("base model", "sdxl on disk", True, whole=True),
    Check("terminal", "16 colours", True, "set COLORTERM"),
]


@pytest.mark.parametrize("wrong", range(len(ALL_WELL)))
def test_the_first_line_says_what_one_can_do_whatever_is_not_well(wrong: int) -> None:
    found = [replace(one, ok=place != wrong) for place, one in enumerate(ALL_WELL)]
    verdict, one = doctor_lines(found)[0], ALL_WELL[wrong]
    if one.nothing_runs:
        assert verdict.startswith("✗ Not ready: nothing can be trained here") and one.lacks in verdict
    elif one.lacks:
        assert verdict.startswith("! Not ready to train SDXL here: ") and one.lacks in verdict
        assert "loratui demo" in doctor_lines(found)[1]
    else:
        assert verdict == "✓ Ready to train SDXL here."


def test_a_model_that_is_still_to_be_downloaded_is_no_reason_and_is_said() -> None:
    (line,) = verdict_lines([one for one in ALL_WELL if not one.whole])
    assert line.startswith("✓ Ready") and "downloads" in line


def test_every_check_that_keeps_one_from_training_says_so_in_few_words() -> None:
    found = list(checks())
    assert all(one.lacks for one in found if one.name not in ("terminal", "hub login") and not one.ok)
    assert all(len(one.lacks) < 30 for one in found)


def test_its_lines_go_on_below_into_a_pipe_too(loratui: LoraTUI) -> None:
    done = loratui("doctor")
    lines = done.stdout.splitlines()
    packages = [line for line in lines if line.split()[:2] == ["✓", "packages"]]
    assert len(packages) == 1, "what is well takes no room: the verdict stays on the screen"
    assert lines[0][:1] in ("✓", "!", "✗") and "eady" in lines[0] and max(map(len, lines)) <= 80
    words = [replace(one, ok=False, found="word " * 40, remedy="word " * 40) for one in ALL_WELL]
    shown = doctor_lines(words)
    assert max(map(len, shown)) <= 80 and " ".join(shown).split().count("word") == 80 * len(words)
