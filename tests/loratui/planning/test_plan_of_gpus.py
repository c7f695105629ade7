"""Runs that several GPUs share, in the plan: each one's part, and what makes it fit."""

from __future__ import annotations

import json
import os
import re
import shlex
from pathlib import Path

import pytest

from loratui.planning.shared import gpus_again
from tests.loratui.conftest import LoraTUI
from tests.trainer.conftest import make_config, make_run
from trainer.contract.settings.model import SDXL


def test_one_of_several_gpus_is_planned_with_its_part_of_the_step(loratui: LoraTUI, answers_file: Path) -> None:
    def plan(*words: str) -> str:
        own = ["--set", "train.batch=4", "--set", "train.accumulation=1", "--memory", "24"]
        return loratui("plan", "answers.toml", *own, *words).stdout

    def memory(text: str) -> str:
        rows = text.partition("\nMemory")[2].partition("\n\nTime")[0].partition("\n")[2]
        return re.sub(r"shared by .*? the same steps ", "", " ".join(rows.split()))

    four, one = plan("--gpus", "4"), plan("--set", "train.batch=1")
    assert "shared by 4 GPUs each takes 1 of a batch of 4: the same steps" in " ".join(four.split())
    assert memory(four) == memory(one)
    assert "--gpus 4" in four.splitlines()[-1]
    assert "4 processes cannot share a step of batch 3 x accumulation 1" in plan(
        "--gpus", "4", "--set", "train.batch=3"
    )


@pytest.mark.parametrize(("batch", "accumulation", "gpus"), [(4, 1, 2), (3, 4, 2), (2, 2, 2), (12, 1, 4)])
def test_what_makes_it_fit_is_proposed_for_each_of_several_gpus(
    loratui: LoraTUI, answers_file: Path, batch: int, accumulation: int, gpus: int
) -> None:
    """Put back, the proposal fits, and as many still share a step of as many pictures."""
    size = [f"train.batch={batch}", f"train.accumulation={accumulation}"]
    full = [f"model.base={SDXL}", "train.resolution=1024"]

    def plan(*sets: str) -> str:
        own = [word for one in (*full, *size, *sets) for word in ("--set", one)]
        return loratui("plan", "answers.toml", "--memory", "8", "--gpus", str(gpus), *own).stdout

    refused = plan()
    assert "does not fit" in refused and "To make it fit" in refused
    told = refused.partition("are then needed")[2].partition(":")[2].partition("\n\n")[0].partition("loratui replay")[0]
    taken = shlex.split(told)[1::2]
    again = plan(*taken)
    assert "does not fit" not in again and "cannot share" not in again and "to spare" in again
    values = dict(one.split("=") for one in (*size, *taken))
    assert int(values["train.batch"]) * int(values["train.accumulation"]) == batch * accumulation


def test_a_run_goes_on_with_as_many_gpus_as_before_where_they_are_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make_run(tmp_path / "run", make_config(tmp_path, train__device="cpu"))
    assert gpus_again(run) == (1, "")
    run.events.write_text(json.dumps({"t": 1.0, "type": "run", "v": 1, "world": 2}) + "\n")
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    assert gpus_again(run) == (2, ""), "processes of the CPU"
    make_run(tmp_path / "run", make_config(tmp_path))
    for there, found in (("0,1", 2), ("0", 1), ("", 1)):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", there)
        gpus, words = gpus_again(run)
        assert gpus == found and bool(words) == (found == 1)
    assert words.startswith("it was shared by 2 GPUs and goes on with one: this machine shows 0 GPUs")
