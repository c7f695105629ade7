"""The commit of a base model of the hub: a run writes down the one it takes, and takes that one again."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from loratui.commands.replay import prepare
from loratui.runs.launch import create_run
from loratui.settings.answers import read_answers
from tests.hubplace import hub_at
from trainer.contract.basemodel.digests import base_digests
from trainer.contract.basemodel.inspect import small_model
from trainer.contract.run.rundir import RunDir
from trainer.contract.settings.config import load_config
from trainer.model.parts import base_source, load_parts

OLD, NEW = "a" * 40, "b" * 40
NAME = "owner/name"


@dataclass(frozen=True)
class Cache:
    """A hub's cache with two commits of one model, which differ in one number of the unet."""

    place: Path

    def main_is(self, commit: str) -> None:
        (self.place / "refs" / "main").write_text(commit)

    def snapshot(self, commit: str) -> Path:
        return self.place / "snapshots" / commit


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cache:
    found = Cache(hub_at(monkeypatch, tmp_path) / "models--owner--name")
    for commit in (OLD, NEW):
        shutil.copytree(small_model(), found.snapshot(commit))
    unet = found.snapshot(OLD) / "unet" / "diffusion_pytorch_model.safetensors"
    tensors = load_file(unet)
    tensors["conv_in.bias"][0] += 1
    save_file(tensors, unet, {"format": "pt"})
    (found.place / "refs").mkdir()
    found.main_is(OLD)
    return found


@pytest.fixture
def made(answers_file: Path, tmp_path: Path) -> Callable[..., RunDir]:
    """Makes a run of the model of the hub from answers, as a replay does, and does not start it."""

    def make(name: str, answers: Path = answers_file, **own: str) -> RunDir:
        ready = prepare(read_answers(answers), own, "answers.toml")
        return create_run(ready.resolved, ready.answers, tmp_path / name)

    return make


def test_a_run_writes_down_the_commit_and_takes_it_again_when_main_has_moved(
    cache: Cache, made: Callable[..., RunDir]
) -> None:
    first = made("first", **{"model.base": NAME})
    assert load_config(first.config).model.revision == OLD
    assert read_answers(first.answers).values["model.revision"] == OLD
    cache.main_is(NEW)
    again, anew = made("again", first.answers), made("anew", **{"model.base": NAME})
    configs = {run.path.name: load_config(run.config) for run in (first, again, anew)}
    assert {name: one.model.revision for name, one in configs.items()} == {"first": OLD, "again": OLD, "anew": NEW}
    assert configs["again"] == configs["first"]
    for name, commit in (("first", OLD), ("again", OLD), ("anew", NEW)):
        assert base_source(configs[name]) == str(cache.snapshot(commit))
    expected = load_file(cache.snapshot(OLD) / "unet" / "diffusion_pytorch_model.safetensors")["conv_in.bias"]
    assert torch.equal(load_parts(configs["again"], torch.device("cpu")).unet.conv_in.bias, expected)


def test_a_resume_knows_one_commit_from_another_by_its_contents(cache: Cache, made: Callable[..., RunDir]) -> None:
    old, new = (
        base_digests(load_config(made(commit, **{"model.base": NAME, "model.revision": commit}).config))
        for commit in (OLD, NEW)
    )
    assert {part for part in old if old[part] != new[part]} == {"unet"}
    shutil.copyfile(
        cache.snapshot(OLD) / "unet" / "diffusion_pytorch_model.safetensors",
        cache.snapshot(NEW) / "unet" / "diffusion_pytorch_model.safetensors",
    )
    assert base_digests(load_config(made("same", **{"model.base": NAME, "model.revision": NEW}).config)) == old
