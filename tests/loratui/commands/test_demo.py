"""The demo's parts, and the doctor: what ships is complete, good, and never written to."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from loratui.commands.demo import introduction
from loratui.planning.prepared import prepare
from loratui.settings.answers import AnswersError
from loratui.settings.demo import FIRST, concepts, demo_answers
from trainer.contract.basemodel.inspect import small_model

LoraTUI = Callable[..., subprocess.CompletedProcess[str]]


def package_files() -> dict[Path, int]:
    found = (one for one in small_model().parent.rglob("*") if "__pycache__" not in one.parts and one.is_file())
    return {one: one.stat().st_mtime_ns for one in found}


@pytest.mark.parametrize("name", concepts())
def test_each_shipped_concept_passes_the_checks_and_the_advice(name: str, tmp_path: Path) -> None:
    before = package_files()
    ready = prepare(demo_answers(name), {}, "answers.toml", tmp_path / "run")
    # a prompt asks for a ground that no picture has, to see whether it is the subject that was learned
    assert ready.outcome.ready and {one.code for one in ready.report.all_findings} == {"prompt-words"}
    assert not ready.plan.errors and not ready.plan.warnings
    assert 6 <= len(ready.outcome.images) <= 10
    assert ready.resolved.config.model.base == "sdxl-small"
    assert package_files() == before


def test_the_demo_says_what_it_will_do_and_knows_its_concepts() -> None:
    assert FIRST in concepts()
    assert f"The concept '{FIRST}'" in introduction(demo_answers())[0]
    with pytest.raises(AnswersError, match=r"there are .*mascot"):
        demo_answers("nope")


def test_what_ships_is_small_enough_for_the_repository() -> None:
    assert sum(one.stat().st_size for one in package_files()) <= 10 << 20


def test_the_doctor_never_shows_the_login(environment: dict[str, str], tmp_path: Path) -> None:
    token = "hf_canaryCanaryCanaryCanaryCanary00"
    done = subprocess.run(
        [sys.executable, "-m", "loratui", "doctor"],
        cwd=tmp_path,
        env={**environment, "HF_TOKEN": token},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert token not in done.stdout + done.stderr
    assert "hub login" in done.stdout and "yes" in done.stdout.splitlines()[-1]
    assert environment["HOME"] not in done.stdout


def test_the_doctor_names_every_package_that_training_needs(loratui: LoraTUI) -> None:
    out = loratui("doctor").stdout
    for name in ("python", "torch", "diffusers", "peft", "GPU", "disk", "terminal"):
        assert name in out
