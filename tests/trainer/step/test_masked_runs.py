"""Masked runs, other losses and noises, whole: a white mask changes nothing, black ones alone are refused."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from loratui.curation.copies.folder import FixSettings, fix_pictures
from tests.trainer.begun import of
from tests.trainer.conftest import make_config, make_run, train
from tests.trainer.step.test_diffusion import CPU, batch, scheduler
from trainer.contract.pictures.folder import list_pictures
from trainer.contract.plan.advice import refusals
from trainer.contract.run.events import Tail
from trainer.contract.run.exits import USAGE
from trainer.data.dataset import read_dataset
from trainer.step.diffusion import Discrete, losses


def test_a_masked_loss_is_the_mean_of_the_weighted_errors() -> None:
    process, (answer, target, t) = Discrete(scheduler(), 5.0, CPU), batch()
    weights = torch.rand(4, 1, 8, 8, generator=torch.Generator().manual_seed(1))
    found = losses(process, answer, target, t, weights=weights)
    for number in range(4):
        squares = (answer[number] - target[number]) ** 2 * weights[number]
        assert float(found[number]) == pytest.approx(float(squares.mean() * process.weight(t)[number]), rel=1e-5)


def masked(pictures: Path, folder: Path, level: int) -> Path:
    shutil.copytree(pictures, folder)
    for one in [*folder.glob("*.png"), *folder.glob("*.jpg")]:
        with Image.open(one) as opened:
            size = opened.size
        Image.new("L", size, level).save(folder / f"{one.stem}-masklabel.png")
    return folder


@pytest.mark.slow
def test_a_white_mask_changes_nothing_and_black_ones_alone_are_refused(pictures: Path, tmp_path: Path) -> None:
    own = {"train__steps": 2, "prodigy__d0": 1e-3, "export__precision": "fp32", "pivotal__enabled": False}
    own |= {"dataset__flip": True, "sample__prompts": [], "train__ema": 0.0}
    files = {}
    for name, level in (("plain", None), ("white", 255), ("black", 0)):
        folder = pictures if level is None else masked(pictures, tmp_path / name, level)
        more = {} if level is None else {"mask__enabled": True, "mask__outside": 0.0}
        run = make_run(tmp_path / f"run-{name}", make_config(folder, **own, **more))
        if name == "black":
            (said,) = [event["message"] for event in train(run, USAGE) if event["type"] == "error"]
            assert "the mask of every picture is black" in said and not run.export.exists()
            continue
        train(run)
        files[name] = load_file(run.export / "toy.safetensors")
    ups = [key for key in files["plain"] if key.endswith("lora_up.weight")]
    assert all(torch.equal(files["plain"][key], files["white"][key]) for key in files["plain"])
    assert any(bool(files["plain"][key].any()) for key in ups)


@pytest.mark.slow
def test_the_masks_that_fix_writes_train(pictures: Path, tmp_path: Path) -> None:
    names = [one.name for one in list_pictures(pictures).pictures]
    made = fix_pictures(
        pictures, tmp_path / "fixed", FixSettings(masks={name: (0.3, 0.2, 0.3, 0.4) for name in names[1:]})
    )
    assert sum(step.code == "mask" for one in made.pictures for step in one.done) == len(names) - 1
    own = {"train__steps": 2, "pivotal__enabled": False, "sample__prompts": [], "mask__enabled": True}
    config = make_config(tmp_path / "fixed", **own)
    assert refusals(config) == []
    masks = [one.mask for one in read_dataset(config)]
    assert [one is not None for one in masks] == [name != names[0] for name in names]
    run = make_run(tmp_path / "run", config)
    train(run)
    assert len(of(Tail(run.events).read(), "step")) == 2


@pytest.mark.slow
def test_a_run_of_another_loss_and_noise_is_drawn_alike_in_any_passes(pictures: Path, tmp_path: Path) -> None:
    """Batch 2 and twice 1 see the same noise, levels and perturbation."""
    own = {"train__steps": 2, "train__learning_rate": 1.0, "prodigy__d0": 1e-3, "loss__function": "huber"}
    own |= {"loss__timestep_low": 100, "loss__timestep_high": 900, "loss__timestep_bias": 1.0, "sample__prompts": []}
    own |= {"noise__multires_iterations": 3, "noise__perturbation": 0.1, "pivotal__enabled": False}
    found = []
    for size, passes in ((2, 1), (1, 2)):
        config = make_config(pictures, **own | {"train__batch": size, "train__accumulation": passes})
        run = make_run(tmp_path / f"run-{size}", config)
        train(run)
        found.append([one["loss"] for one in of(Tail(run.events).read(), "step")])
    assert found[0] == pytest.approx(found[1], rel=1e-4) and len(found[0]) == 2
