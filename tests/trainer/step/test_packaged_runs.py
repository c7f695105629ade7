"""Whole runs with the optimizers of packages: what is exported is their average, and a resume is exact."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from tests.trainer.conftest import make_config, make_run, train
from trainer.contract.run.rundir import RunDir


@pytest.mark.slow
@pytest.mark.parametrize("name", ["adamw-schedule-free", "prodigy-plus-schedule-free"])
def test_a_run_ends_alike_whether_it_was_broken_off_or_not(name: str, pictures: Path, tmp_path: Path) -> None:
    own = {"train__optimizer": name, "prodigy__d0": 1e-3, "train__steps": 4, "export__precision": "fp32"}
    whole = make_run(tmp_path / "whole", make_config(pictures, **own))
    train(whole)
    half = RunDir(tmp_path / "half")
    shutil.copytree(whole.path, half.path)
    for made in (half.checkpoint(4), half.export):
        shutil.rmtree(made)
    train(half)
    files = [load_file(run.export / "toy.safetensors") for run in (whole, half)]
    assert all(torch.equal(files[0][key], files[1][key]) for key in files[0])
    assert any(bool(one.any()) for key, one in files[0].items() if key.endswith("lora_up.weight"))
    raw = load_file(whole.checkpoint(4) / "optimizer.safetensors")
    assert not torch.equal(raw["raw.unet"], torch.zeros_like(raw["raw.unet"]))
