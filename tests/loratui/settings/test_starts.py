"""A LoRA that a run begins from decides rank, alpha, layers and tokens: above the preset, below what a person chose."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from loratui.settings.answers import Answers
from loratui.settings.checks import effective, values_of_preset
from loratui.settings.drafts.draft import Draft
from loratui.settings.other_trainers.imported import import_settings
from loratui.settings.resolve import resolve
from tests.trainer.model.lora_files import kohya, matrices
from trainer.contract.basemodel.inspect import small_model
from trainer.contract.settings.config import SMALL


def start(folder: Path) -> str:
    made = matrices(small_model(), 6, "all-linear")
    return str(kohya(folder / "dog.safetensors", made, 3.0, small_model()))


def test_it_beats_the_preset_and_a_person_beats_it(tmp_path: Path) -> None:
    values = {"model.base": SMALL, "train.start_from": start(tmp_path)}
    found = resolve(Answers("icon-3d", values))
    assert (found.config.train.rank, found.config.train.alpha, found.config.train.targets) == (6, 3.0, "all-linear")
    assert found.origins["train.rank"].layer == "start" and "dog.safetensors" in found.origins["train.rank"].source
    assert str(tmp_path) not in found.origins["train.rank"].source
    chosen = resolve(Answers("icon-3d", {**values, "train.rank": 12}))
    assert chosen.config.train.rank == 12 and chosen.origins["train.rank"].layer == "answers"
    assert resolve(Answers("icon-3d", {"model.base": SMALL})).config.train.rank == 8


def test_the_form_shows_what_the_run_will_have(tmp_path: Path) -> None:
    draft = Draft(preset="icon-3d", values={"model.base": SMALL, "train.start_from": start(tmp_path)})
    assert effective(draft)["train.rank"] == values_of_preset(draft)["train.rank"] == 6


def test_a_relative_place_is_meant_from_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    start(tmp_path)
    monkeypatch.chdir(tmp_path)
    found = resolve(Answers("icon-3d", {"model.base": SMALL, "train.start_from": "dog.safetensors"}))
    assert found.config.train.start_from == str(tmp_path / "dog.safetensors") and found.config.train.rank == 6


def test_kohyas_network_weights_are_taken_over_with_their_rank(tmp_path: Path) -> None:
    told = {"network_weights": start(tmp_path), "dim_from_weights": True, "network_dim": 64, "network_alpha": 8}
    told |= {"pretrained_model_name_or_path": SMALL, "network_module": "networks.lora"}
    (tmp_path / "kohya.json").write_text(json.dumps(told))
    _, found = import_settings([tmp_path / "kohya.json"], "object")
    assert found.values["train.start_from"] == told["network_weights"]
    assert not {"train.rank", "train.alpha"} & found.values.keys()
