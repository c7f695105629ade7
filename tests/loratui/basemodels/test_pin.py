"""The commits of a base model and VAE of the hub: a run writes down those that it takes, and takes them again."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from loratui.basemodels.words import base_rows
from loratui.planning.prepared import prepare
from loratui.runs.launch import create_run
from loratui.settings.answers import Answers, read_answers
from loratui.settings.drafts.draft import Draft
from loratui.settings.resolve import resolve
from tests.hubplace import hub_at
from trainer.contract.basemodel.digests import base_digests, own_vae
from trainer.contract.basemodel.inspect import small_model
from trainer.contract.run.changes import changes_between, refusals_of
from trainer.contract.run.rundir import RunDir
from trainer.contract.settings.config import load_config
from trainer.export.script import script
from trainer.model.download import wanted
from trainer.model.parts import base_source, load_parts
from trainer.model.tokens import Vocabulary
from trainer.step.trainee import run_identity

OLD, NEW = "a" * 40, "b" * 40
NAME, VAE = "owner/name", "owner/vae"


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
def vaes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cache:
    """The same of a VAE by itself; its second commit differs in one number."""
    found = Cache(hub_at(monkeypatch, tmp_path) / "models--owner--vae")
    for commit in (OLD, NEW):
        shutil.copytree(small_model() / "vae", found.snapshot(commit))
    weights = found.snapshot(NEW) / "diffusion_pytorch_model.safetensors"
    tensors = load_file(weights)
    tensors["encoder.conv_in.bias"][0] += 1
    save_file(tensors, weights, {"format": "pt"})
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


def test_a_vae_of_the_hub_is_written_down_as_well_and_shown(vaes: Cache, made: Callable[..., RunDir]) -> None:
    first = made("first", **{"model.vae": VAE})
    config = load_config(first.config)
    assert config.model.vae_revision == read_answers(first.answers).values["model.vae_revision"] == OLD
    assert ("VAE revision", OLD[:12]) in {row[:2] for row in base_rows(config)}
    vaes.main_is(NEW)
    again, anew = (
        load_config(made("again", first.answers).config),
        load_config(made("anew", **{"model.vae": VAE}).config),
    )
    assert again == config and anew.model.vae_revision == NEW
    assert own_vae(again) == str(vaes.snapshot(OLD)) and own_vae(anew) == str(vaes.snapshot(NEW))
    assert {part for part, one in base_digests(again).items() if one != base_digests(anew)[part]} == {"vae"}
    line = next(one for one in script(config, Vocabulary.of(("TOK",), 2)).splitlines() if one.startswith("vae = "))
    assert f"AutoencoderKL.from_pretrained('{VAE}'" in line.replace('"', "'") and OLD in line
    there = config.model.model_copy(update={"vae_revision": "c" * 40})  # a commit that is not on this disk
    missing = [(one.repo, one.revision) for one in wanted(config.model_copy(update={"model": there}))]
    assert missing == [(VAE, "c" * 40)]


def test_where_a_vae_lay_is_no_part_of_what_a_run_is(vaes: Cache, made: Callable[..., RunDir]) -> None:
    pinned, free = (load_config(made(name, **{"model.vae": VAE}).config) for name in ("pinned", "free"))
    free = free.model_copy(update={"model": free.model.model_copy(update={"vae_revision": ""})})
    assert changes_between(pinned, free) and not refusals_of(pinned, free, 1)
    assert run_identity(pinned, (), (), {}) == run_identity(free, (), (), {})


@pytest.mark.parametrize(
    ("asked", "left"),
    [
        ({}, (OLD, NEW)),
        ({"model.base": "other/base"}, ("", NEW)),
        ({"model.vae": "other/vae"}, (OLD, "")),
        ({"model.vae": "auto"}, (OLD, "")),
        ({"model.base": "other/base", "model.revision": "v2"}, ("v2", NEW)),
    ],
)
def test_a_revision_goes_with_its_model(asked: dict[str, str], left: tuple[str, str]) -> None:
    values = {"model.base": NAME, "model.revision": OLD, "model.vae": VAE, "model.vae_revision": NEW}
    model = resolve(Answers("object", values, {}, "a.toml"), asked).config.model
    assert (model.revision, model.vae_revision) == left
    drawn = Draft(values=dict(values)).with_settings(dict(asked))
    assert (drawn.get("model.revision"), drawn.get("model.vae_revision")) == left
