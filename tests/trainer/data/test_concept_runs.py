"""Runs of several concepts: their loss weights, their files, and the same bytes however often they are cut off."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open

from tests.trainer.conftest import draw_dataset, make_run, train
from tests.trainer.data.test_concepts import two
from tests.trainer.data.test_pairing import loss_of
from tests.trainer.test_odd_checkpoints import signed
from tests.trainer.test_resume import STEPS, assert_same, cut_after, six_steps
from tests.trainer.trap_parts import begin
from trainer.checkpoints.snapshot import OtherRun
from trainer.contract.settings.config import TrainConfig


def six(folder: Path, **own: Any) -> TrainConfig:
    """Six steps on two concepts with class pictures, the second's pictures three times and half as strongly."""
    shared = {"train__steps": STEPS, "train__checkpoint_every": 1, "train__keep_checkpoints": 99, "sample__steps": 1}
    second = {"loss_weight": 0.5, "class_path": str(draw_dataset(folder / "dogs", captions=False, grey=160))}
    prior = {
        "prior__enabled": True,
        "prior__images": 2,
        "dataset__flip": True,
        "prodigy__d0": 1e-3,
        "train__measure": True,
    }
    return two(folder, second=second, **shared | prior | own)


@pytest.mark.slow
def test_the_loss_of_a_step_is_the_weighted_mean_of_its_concepts(tmp_path: Path) -> None:
    """The oracle: (sum of w_c * loss of each view) / batch, each view's loss being that of a run without weights."""
    own = {"train__batch": 6, "train__precision": "fp32"}
    weighed, plain = (
        begin(tmp_path / name, two(tmp_path, second={"loss_weight": weight}, **own)).stepper
        for name, weight in (("weighed", 0.25), ("plain", 1.0))
    )
    views = weighed._plan.micro_batch(2, 0)
    assert {view.item.concept for view in views} == {0, 1}
    with torch.no_grad():
        whole = float(loss_of(weighed, views))
        each = [float(loss_of(plain, (view,))) for view in plain._plan.micro_batch(2, 0)]
    meant = sum(one * (0.25 if view.item.concept else 1.0) for one, view in zip(each, views, strict=True))
    assert whole == pytest.approx(meant, rel=1e-4)
    assert whole != pytest.approx(sum(each), rel=1e-2)


@pytest.mark.slow
def test_a_run_of_two_concepts_resumed_ends_bit_equal_and_its_files_name_both(tmp_path: Path) -> None:
    whole = make_run(tmp_path / "whole", six(tmp_path, sample__prompts=[]))
    events = train(whole)
    for step in (2, 3, 5):  # before the pivot, at it, after it
        cut = cut_after(whole, tmp_path / f"cut-{step}", step)
        assert [one["resumed_from"] for one in train(cut) if one["type"] == "run"][-1] == step
        assert_same(cut, whole)
    last = [one for one in events if one["type"] == "measure"][-1]
    assert [one["trigger"] for one in last["concepts"]] == ["TOK", "REX"]
    assert {len(one["losses"]) for one in events if one["type"] == "measure"} == {8}
    assert [one["epoch"] for one in events if one["type"] == "step"][-1] == pytest.approx(12 / 20)
    names = {path.name for path in whole.export.iterdir()}
    assert {"toy_TOK_emb.safetensors", "toy_REX_emb.safetensors"} <= names
    with safe_open(whole.export / "toy.safetensors", "pt") as file:
        header = file.metadata()
    assert json.loads(header["ss_dataset_dirs"]) == {
        "toy": {"n_repeats": 1, "img_count": 5},
        "toy_2": {"n_repeats": 3, "img_count": 5},
    }
    assert header["ss_num_train_images"] == "20"
    card = (whole.export / "README.md").read_text()
    assert "* `REX`: `a photo of a REX dog`" in card and "TOK x 1; REX x 3 (loss x 0.5)" in card
    prompts = {one["prompt"] for one in events if one["type"] == "sample"}
    assert prompts == {"a photo of a TOK", "a photo of a REX dog"}


@pytest.mark.slow
def test_a_checkpoint_is_of_its_concepts_wherever_their_folders_lie(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    first = two(tmp_path, train__steps=2, prodigy__d0=1e-3)
    begun = begin(folder, first)
    begun._one_step(1)
    assert begun._save().wait()
    moved = shutil.copytree(tmp_path / "rex", tmp_path / "moved")
    assert begin(folder, two(tmp_path, second={"path": str(moved)}, train__steps=2, prodigy__d0=1e-3)).done == 1
    with pytest.raises(OtherRun, match=r"settings\.concepts"):
        begin(folder, two(tmp_path, second={"repeats": 2}, train__steps=2, prodigy__d0=1e-3))


@pytest.mark.slow
def test_an_old_checkpoint_of_one_folder_goes_on(pictures: Path, tmp_path: Path) -> None:
    """It knows of no concepts and no weight: both count as what they were, one folder that counts whole."""
    whole = make_run(tmp_path / "whole", six_steps(pictures))
    train(whole)
    old = cut_after(whole, tmp_path / "old", 2)
    state = old.checkpoint(2) / "state.json"
    told = json.loads(state.read_text())
    assert told["identity"]["settings"].pop("concepts") == []
    assert told["identity"]["settings"].pop("dataset.loss_weight") == 1.0
    signed(state, json.dumps(told).encode())
    assert [one["resumed_from"] for one in train(old) if one["type"] == "run"][-1] == 2
    assert_same(old, whole)
