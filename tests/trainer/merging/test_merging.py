"""A merge of two LoRAs: the sum that it says, the files that others read, both concepts' words, and what is refused."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from tests.trainer.conftest import make_config, make_run
from trainer.contract.basemodel.inspect import base_of
from trainer.contract.run import exits
from trainer.contract.run.exports import DIFFUSERS
from trainer.contract.run.rundir import RunDir
from trainer.contract.settings.config import TrainConfig
from trainer.data.dataset import read_dataset
from trainer.export.files import export_run
from trainer.export.readers import FileLayer
from trainer.merging.__main__ import main as merge
from trainer.merging.layers import Factors, cut
from trainer.model.parts import load_parts
from trainer.step.trainee import make_trainee

CPU = torch.device("cpu")
Settings = Callable[..., TrainConfig]


def a_run(folder: Path, config: TrainConfig, seed: int) -> RunDir:
    """The export of a run whose LoRA has moved, without the training."""
    run = make_run(folder, config)
    run.samples.mkdir(exist_ok=True)
    trainee = make_trainee(load_parts(config, CPU), config)
    start = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for layer in trainee.layers.values():
            layer.up.normal_(std=0.05, generator=start)
    export_run(run, config, trainee, read_dataset(config), 1, 3)
    return run


@pytest.fixture(scope="module")
def runs(pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two runs with the same trigger, of rank 4 and of rank 2 in some of the layers, with an alpha of its own."""
    folder, fp32 = tmp_path_factory.mktemp("runs"), {"export__precision": "fp32"}
    first = a_run(folder / "one", make_config(pictures, name="one", **fp32), 1)
    few = {"train__blocks": ["up_blocks.0"], "train__rank": 2, "train__alpha": 1.0, "pivotal__tokens": 3}
    second = a_run(folder / "two", make_config(pictures, name="two", **fp32, **few), 2)
    return first.path, second.path


def changes(path: Path) -> dict[str, torch.Tensor]:
    """The change of each weight as the user interfaces compute it from a file."""
    tensors = load_file(path)
    found = {}
    for stem in {name.partition(".")[0] for name in tensors}:
        down, up, alpha = (tensors[f"{stem}.{part}"] for part in ("lora_down.weight", "lora_up.weight", "alpha"))
        one = FileLayer(down, up, float(alpha), None)
        found[stem] = one.scale * one.product()
    return found


def header(path: Path) -> dict[str, str]:
    with safe_open(path, "pt") as file:
        return dict(file.metadata())


def wanted(runs: tuple[Path, Path], weights: tuple[float, float]) -> dict[str, torch.Tensor]:
    first, second = (changes(run / "export" / f"{run.name}.safetensors") for run in runs)
    return {stem: weights[0] * first[stem] + (weights[1] * second[stem] if stem in second else 0.0) for stem in first}


def test_a_weighted_merge_is_the_sum_and_carries_the_words_of_both(
    runs: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "both"
    assert merge([*map(str, runs), "--out", str(out), "--weights", "0.8", "-0.6"]) == exits.DONE
    said = capsys.readouterr()
    assert "'TOK' of two is called 'TOK2' here: the other has that word already" in said.err
    files = {str(one.relative_to(out)) for one in out.rglob("*") if one.is_file()}
    names = {"both.safetensors", "both_TOK_emb.safetensors", "both_TOK2_emb.safetensors", "both.json", "README.md"}
    assert files == {*names, DIFFUSERS} and {str(out / one) for one in files} == set(said.out.split("\n")) - {""}
    found, expected = changes(out / "both.safetensors"), wanted(runs, (0.8, -0.6))
    assert found.keys() == expected.keys()
    for stem, change in expected.items():
        torch.testing.assert_close(found[stem], change, rtol=1e-4, atol=1e-7)
    for run, word in zip(runs, ("TOK", "TOK2"), strict=True):
        own, new = (
            load_file(one)
            for one in (run / "export" / f"{run.name}_emb.safetensors", out / f"both_{word}_emb.safetensors")
        )
        assert own.keys() == new.keys() and all(torch.equal(own[key], new[key]) for key in own)
    card = (out / "README.md").read_text()
    assert "The sum of 0.8 x one and -0.6 x two." in card and "'<s2>', '<s3>', '<s4>'" in card
    told = header(out / "both.safetensors")
    assert told["ss_training_comment"] == "merged of one and two: The sum of 0.8 x one and -0.6 x two."
    assert "ss_learning_rate" not in told and str(tmp_path) not in json.dumps(told) + card


def test_diffusers_makes_of_the_file_what_the_interfaces_make(runs: tuple[Path, Path], tmp_path: Path) -> None:
    from diffusers import StableDiffusionXLPipeline

    out = tmp_path / "both"
    assert merge([*map(str, runs), "--out", str(out), "--weights", "1", "1"]) == exits.DONE
    pipe = StableDiffusionXLPipeline.from_pretrained(make_config(runs[0]).model.base, variant="fp16")
    pipe.load_lora_weights(load_file(out / DIFFUSERS))
    unet = pipe.unet
    expected = wanted(runs, (1.0, 1.0))
    layer: Any = unet.get_submodule("up_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q")
    own = expected["lora_unet_output_blocks_0_1_transformer_blocks_0_attn1_to_q"]
    torch.testing.assert_close(layer.get_delta_weight("default_0"), own, rtol=1e-4, atol=1e-7)
    alone: Any = unet.get_submodule("down_blocks.1.attentions.0.transformer_blocks.0.attn1.to_q")
    assert (layer.r["default_0"], alone.r["default_0"]) == (6, 6)  # filled up with zeros where only one has the layer


def test_a_cut_merge_is_the_nearest_of_its_rank(runs: tuple[Path, Path], tmp_path: Path) -> None:
    out = tmp_path / "cut"
    assert merge([*map(str, runs), "--out", str(out), "--rank", "3"]) == exits.DONE
    found = changes(out / "cut.safetensors")
    for stem, change in wanted(runs, (1.0, 1.0)).items():
        u, values, v = torch.linalg.svd(change.double())
        nearest = (u[:, :3] * values[:3]) @ v[:3]
        torch.testing.assert_close(found[stem].double(), nearest, rtol=1e-3, atol=1e-6)
    assert header(out / "cut.safetensors")["ss_network_dim"] == "3"
    assert "Cut to rank 3 by singular values: " in (out / "README.md").read_text()


def test_nothing_is_cut_that_has_the_rank_already() -> None:
    one = {"layer": Factors(torch.randn(2, 5), torch.randn(4, 2))}
    found, kept = cut(one, 2)
    assert kept == 1.0 and torch.equal(found["layer"].down, one["layer"].down)


@pytest.mark.slow
def test_factors_are_learned_for_each_column_and_bring_each_concept_nearer_to_itself(
    runs: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trainer.merging.learned.DRAWING", 4)  # what is learned from need not be well drawn
    files = []
    for name in ("zip", "again"):
        out = tmp_path / name
        assert merge([*map(str, runs), "--out", str(out), "--steps", "12", "--seed", "3"]) == exits.DONE
        files.append(load_file(out / f"{name}.safetensors"))
    assert all(torch.equal(one, files[1][name]) for name, one in files[0].items())  # the seed decides
    err = capsys.readouterr().err
    assert "drawing what one shows: 0 of 4\r" in err and "learning how they go together: 11 of 12\r" in err
    before, after = (
        float(one.rstrip(".")) for one in err.split("both together, went from ")[1].split("\n")[0].split(" to ")
    )
    assert after < before
    stem = "lora_unet_output_blocks_0_1_transformer_blocks_0_attn1_to_q"
    downs = [load_file(run / "export" / f"{run.name}.safetensors")[f"{stem}.lora_down.weight"] for run in runs]
    merged = files[0][f"{stem}.lora_down.weight"].split([len(one) for one in downs])
    for own, found in zip(downs, merged, strict=True):
        factors = found / own
        torch.testing.assert_close(factors, factors[:1].expand_as(factors), rtol=1e-4, atol=1e-4)  # a column has one
        assert 0.001 < float((factors[0] - 1).abs().max()) < 0.13  # of 12 steps of at most about 0.01


@pytest.mark.parametrize(
    ("own", "words", "said"),
    [
        ({"train__dora": True}, ["--weights", "1", "1"], "two is a DoRA: the lengths that it gives to whole columns"),
        ({"pivotal__enabled": False, "text_encoder_lora__enabled": True}, [], "two has a LoRA on the text encoders"),
        ({}, ["--learned", "--weights", "1", "1"], "--weights and --learned are two ways to merge"),
        ({}, ["--rank", "0"], "--rank: 1 or more"),
    ],
)
def test_what_does_not_fit_is_said(
    runs: tuple[Path, Path],
    pictures: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    own: dict[str, Any],
    words: list[str],
    said: str,
) -> None:
    other = a_run(tmp_path / "two", make_config(pictures, name="two", **own), 2) if own else RunDir(runs[1])
    out = tmp_path / "out"
    assert merge([str(runs[0]), str(other.path), "--out", str(out), *words]) == exits.USAGE
    assert said in capsys.readouterr().err and not out.exists()


def test_files_need_a_base_model_and_a_name_that_is_free(
    runs: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = [str(run / "export" / f"{run.name}.safetensors") for run in runs]
    out = tmp_path / "out"
    assert merge([*files, "--out", str(out), "--weights", "1", "1"]) == exits.USAGE
    assert "one.safetensors and two.safetensors: no run is among them" in capsys.readouterr().err
    base = make_config(runs[0]).model.base
    assert merge([*files, "--out", str(out), "--weights", "1", "1", "--base", base]) == exits.DONE
    assert {"out_one_emb_emb.safetensors", "out_two_emb_emb.safetensors"} <= {one.name for one in out.iterdir()}
    side = base_of(make_config(runs[0]).model).native
    assert side < 1024 and header(out / "out.safetensors")["modelspec.resolution"] == f"{side}x{side}"
    capsys.readouterr()
    assert merge([*files, "--out", str(out), "--weights", "1", "1", "--base", base]) == exits.USAGE
    assert "'out' is there already" in capsys.readouterr().err
    foreign = tmp_path / "foreign.safetensors"
    save_file({"lora_unet_x.hada_w1_a": torch.zeros(1)}, foreign)
    assert merge([files[0], str(foreign), "--out", str(tmp_path / "o"), "--base", base]) == exits.USAGE
    assert "foreign.safetensors': it is not a LoRA but LoHa" in capsys.readouterr().err


def test_runs_of_two_base_models_want_the_merge_named_its_own(
    runs: tuple[Path, Path], settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = make_run(tmp_path / "two", settings(name="two", model__base="sdxl-small"))
    assert merge([str(runs[0]), str(other.path), "--out", str(tmp_path / "out"), "--weights", "1", "1"]) == exits.USAGE
    assert "and two on sdxl-small: name the one to be used with --base" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words, said",
    [
        (["nan", "1"], "--weights: two finite numbers"),
        (["0", "0"], "--weights 0 0: nothing of either would be left"),
        (["1e39", "1"], "too large for fp32: take smaller --weights"),
    ],
)
def test_weights_of_which_no_file_can_be_made_are_said(
    runs: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    assert merge([*map(str, runs), "--out", str(tmp_path / "out"), "--weights", *words]) == exits.USAGE
    assert said in capsys.readouterr().err and list(tmp_path.iterdir()) == []


def test_one_lora_twice_and_a_place_that_cannot_be_written_are_said_before_the_work(
    runs: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert merge([str(runs[0]), str(runs[0] / "export"), "--out", str(tmp_path / "out")]) == exits.USAGE
    assert "one is named twice" in capsys.readouterr().err
    (tmp_path / "file").touch()
    assert merge([*map(str, runs), "--out", str(tmp_path / "file" / "out")]) == exits.USAGE
    told = capsys.readouterr().err
    assert "--out: nothing can be written in" in told and "is a file and not a folder; name another folder" in told


@pytest.mark.slow
def test_a_kill_leaves_nothing_and_the_next_merge_sweeps_up(runs: tuple[Path, Path], tmp_path: Path) -> None:
    command = [sys.executable, "-m", "trainer.merging", *map(str, runs), "--out", str(tmp_path / "out")]
    child = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert child.stderr is not None
    while "learning" not in child.stderr.readline():
        assert child.poll() is None
    child.kill()
    child.wait()
    assert list(tmp_path.iterdir()) == []
