"""A run that begins from a LoRA changes every weight as that does, and goes on from there."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.trainer.conftest import make_config, make_run, train
from tests.trainer.model.lora_files import NAMES, kohya, matrices, named
from tests.trainer.model.test_adapters import small_unet
from trainer.contract.basemodel.inspect import small_model
from trainer.contract.loras.start import NoStart
from trainer.contract.run.rundir import RunDir
from trainer.contract.settings.config import SMALL
from trainer.model.adapters import LoraLinear, add_lora
from trainer.model.start import begin_from
from trainer.model.tokens import Vocabulary

BASE = small_model()


def begun(place: Path, **own: object) -> dict[str, LoraLinear]:
    config = make_config(place.parent, model__base=SMALL, train__start_from=str(place), **own)
    layers = add_lora(small_unet(), config)
    begin_from(config, layers, (), Vocabulary.of((), 2))
    return layers


def assert_changes(layers: dict[str, LoraLinear], expected: dict[str, torch.Tensor]) -> None:
    assert layers.keys() == expected.keys()
    for path, one in layers.items():
        torch.testing.assert_close(one.change(), expected[path], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("form", NAMES)
def test_the_change_of_every_weight_is_that_of_the_file(form: str, tmp_path: Path) -> None:
    made = matrices(BASE, 4)
    path = named(tmp_path / "a.safetensors", made, NAMES[form])
    assert_changes(begun(path, train__rank=4), {name: up @ down for name, (down, up) in made.items()})


@pytest.mark.parametrize(("rank", "alpha"), [(4, 4.0), (4, 2.0), (8, 1.0)])
def test_a_larger_rank_and_another_alpha_change_nothing_yet(rank: int, alpha: float, tmp_path: Path) -> None:
    """kohya's formula: alpha / rank * up @ down."""
    made = matrices(BASE, 4, "all-linear")
    path = kohya(tmp_path / "a.safetensors", made, 3.0, BASE)
    layers = begun(path, train__rank=rank, train__alpha=alpha, train__targets="all-linear")
    assert_changes(layers, {name: 3 / 4 * up @ down for name, (down, up) in made.items()})
    if rank > 4:  # there is something to learn with in what is new
        assert all(bool(one.down[4:].any()) and not one.up[:, 4:].any() for one in layers.values())


def test_a_plain_lora_begins_a_dora_that_changes_the_same(tmp_path: Path) -> None:
    made = matrices(BASE, 4)
    path = kohya(tmp_path / "a.safetensors", made, 4.0, BASE)
    for axis in ("input", "output"):
        layers = begun(path, train__dora=True, train__dora_axis=axis)
        for name, (down, up) in made.items():
            torch.testing.assert_close(layers[name].change(), up @ down, rtol=1e-4, atol=1e-4)


def test_a_start_that_is_damaged_is_said_and_not_blamed_on_a_picture(tmp_path: Path) -> None:
    path = kohya(tmp_path / "a.safetensors", matrices(BASE, 4), 4.0, BASE)
    whole = load_file(path)
    up = next(name for name in whole if name.endswith("lora_up.weight"))
    for number in (float("nan"), float("inf")):
        save_file({**whole, up: torch.full_like(whole[up], number)}, path)
        with pytest.raises(NoStart, match=r"lora_up\.weight' in its file holds numbers that are not finite"):
            begun(path)
    save_file({**whole, up: torch.full_like(whole[up], 3e38)}, path)
    with pytest.raises(NoStart, match=r"lora_up\.weight' times its alpha is more than fp32 holds"):
        begun(path, train__alpha=0.5)


def samples(run: RunDir, step: int) -> bytes:
    return run.sample(step, 0).read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize("dora", [False, True])
def test_a_run_goes_on_where_another_ended(dora: bool, pictures: Path, tmp_path: Path) -> None:
    """Its first picture is the last of the run before, with its words."""
    own = {"train__dora": dora, "train__steps": 4, "prodigy__d0": 1e-3, "export__precision": "fp32", "train__ema": 0.0}
    own["sample__at_start"] = True
    first = make_run(tmp_path / "first", make_config(pictures, **own))
    train(first)
    second = make_run(tmp_path / "second", make_config(pictures, **own, train__start_from=str(first.path)))
    train(second)
    assert samples(second, 0) == samples(first, 4)
    before, after = (load_file(run.export / "toy_emb.safetensors") for run in (first, second))
    assert before["clip_l"].shape == after["clip_l"].shape and not torch.equal(before["clip_l"], after["clip_l"])


@pytest.mark.slow
def test_resuming_needs_no_file_that_the_run_began_from(pictures: Path, tmp_path: Path) -> None:
    config = make_config(pictures)
    base = Path(config.model.base)
    path = kohya(tmp_path / "a.safetensors", matrices(base, 4), 4.0, base)
    own = {"train__start_from": str(path), "train__rank": 4, "train__checkpoint_every": 2}
    whole = make_run(tmp_path / "whole", make_config(pictures, **own))
    train(whole)
    half = RunDir(tmp_path / "half")
    shutil.copytree(whole.path, half.path)
    for made in (half.checkpoint(4), half.checkpoint(6), half.export):
        shutil.rmtree(made)
    path.unlink()
    train(half)
    ours, theirs = ((run.export / "toy.safetensors").read_bytes() for run in (half, whole))
    assert ours == theirs
