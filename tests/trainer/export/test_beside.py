"""What stands in and beside the files: headers, trigger and picture, the bundle, content and style of a B-LoRA."""

from __future__ import annotations

import base64
import hashlib
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from pydantic import ValidationError
from safetensors import safe_open
from safetensors.torch import load_file

from tests.trainer.conftest import make_run
from trainer.checkpoints.snapshot import save_checkpoint
from trainer.contract.basemodel.inspect import small_model
from trainer.contract.run.exports import BESIDE, DIFFUSERS, FILES, OLD_DIFFUSERS, SAMPLE, paths_of
from trainer.contract.run.rundir import RunDir
from trainer.contract.settings.config import TrainConfig
from trainer.contract.settings.triggers import sharing_file
from trainer.data.dataset import read_dataset
from trainer.export.__main__ import main as export_again
from trainer.export.files import export_run
from trainer.export.proof import ExportMismatch, prove_kohya
from trainer.export.trained import load_exported, open_run
from trainer.model.adapters import rounded_to
from trainer.model.parts import load_parts
from trainer.step.trainee import Trainee, make_trainee

CPU = torch.device("cpu")


def exported(config: TrainConfig, folder: Path, step: int = 3) -> tuple[Path, Trainee]:
    """The export of a run whose LoRA has moved, without the training."""
    run = make_run(folder, config)
    run.samples.mkdir(exist_ok=True)
    Image.new("RGB", (600, 300), (200, 30, 30)).save(run.sample(step, 0))
    trainee = make_trainee(load_parts(config, CPU), config)
    with torch.no_grad():
        for layer in trainee.layers.values():
            layer.up.normal_(std=0.02)
    names = export_run(run, config, trainee, read_dataset(config), 1, step)
    assert all((run.path / name).is_file() for name in names)
    return run.export, trainee


def everything(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def declared(config: TrainConfig) -> set[str]:
    """What the settings lead to, with the one picture of `exported`."""
    return {"sample-0.png"} | {path for one in (*FILES, *BESIDE) if one != SAMPLE for path in paths_of(one, config)}


def header(path: Path) -> dict[str, str]:
    with safe_open(path, "pt") as file:
        return dict(file.metadata())


def body_hash(path: Path) -> str:
    raw = path.read_bytes()
    return hashlib.sha256(raw[8 + int.from_bytes(raw[:8], "little") :]).hexdigest()


@pytest.mark.slow
def test_the_headers_have_what_interfaces_show_and_the_same_answers_give_the_same_bytes(
    settings: Callable[..., TrainConfig], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1800000000")
    own = settings(model__base=str(small_model()), model__clip_skip=1, export__author="Ann", train__accumulation=2)
    folder, _ = exported(own, tmp_path / "one")
    found = header(folder / "toy.safetensors")
    assert json.loads(found["ss_tag_frequency"])["toy"] == {
        f"a toy_emb {shape}": 1 for shape in ("star", "heart", "ring", "cross", "arrow")
    }
    assert "TOK" not in json.dumps(found)
    assert found["ss_sd_model_name"] == "sdxl-small"
    assert json.loads(found["ss_dataset_dirs"]) == {"toy": {"n_repeats": 1, "img_count": 5}}
    assert (found["ss_epoch"], found["ss_num_epochs"]) == ("3", "5")  # 3 and 6 steps of 4 views of 5 pictures
    assert found["ss_clip_skip"] == "3"
    # the day of SOURCE_DATE_EPOCH, and nothing finer
    assert found["modelspec.date"] == "2027-01-15"
    assert found["ss_training_started_at"] == found["ss_training_finished_at"] == "1799971200.0"
    assert found["modelspec.author"] == "Ann"
    assert "sdxl-small: 3 steps on 5 pictures" in found["modelspec.description"]
    assert found["modelspec.hash_sha256"] == "0x" + body_hash(folder / "toy.safetensors")
    kind, _, data = found["modelspec.thumbnail"].partition(",")
    assert kind == "data:image/jpeg;base64"
    assert Image.open(io.BytesIO(base64.b64decode(data))).size == (256, 128)
    words = header(folder / "toy_emb.safetensors")
    assert words["modelspec.architecture"] == "stable-diffusion-xl-v1-base/textual-inversion"
    assert words["modelspec.title"] == words["modelspec.trigger_phrase"] == "toy_emb"
    assert words["modelspec.hash_sha256"] == "0x" + body_hash(folder / "toy_emb.safetensors")
    assert "modelspec.author" not in header(exported(settings(), tmp_path / "two")[0] / "toy.safetensors")
    torch.manual_seed(0)
    first = exported(own, tmp_path / "three")[0]
    torch.manual_seed(0)
    again = exported(own, tmp_path / "four")[0]
    files = [path.relative_to(first) for path in first.rglob("*") if path.is_file()]
    assert len(files) == 7
    assert all((first / one).read_bytes() == (again / one).read_bytes() for one in files)


def test_trigger_and_picture_lie_beside_the_lora_and_an_older_place_is_left(
    settings: Callable[..., TrainConfig], tmp_path: Path
) -> None:
    (tmp_path / "run" / "export").mkdir(parents=True)
    (tmp_path / "run" / "export" / "pytorch_lora_weights.safetensors").write_bytes(b"of before")
    folder, _ = exported(settings(), tmp_path / "run")
    words = json.loads((folder / "toy.json").read_text())
    assert (words["activation text"], words["sd version"], words["preferred weight"]) == ("toy_emb", "SDXL", 1.0)
    assert (folder / "toy.png").read_bytes() == (folder / "sample-0.png").read_bytes()
    assert sorted(path.name for path in folder.glob("*.safetensors")) == ["toy.safetensors", "toy_emb.safetensors"]
    assert (folder / DIFFUSERS).is_file()


def test_a_run_called_as_an_older_file_keeps_its_lora(settings: Callable[..., TrainConfig], tmp_path: Path) -> None:
    own = settings(name=Path(OLD_DIFFUSERS).stem, pivotal__enabled=False)
    folder, _ = exported(own, tmp_path / "run")
    assert everything(folder) == declared(own) >= {OLD_DIFFUSERS, DIFFUSERS}


def test_the_bundle_holds_lora_and_embeddings_under_onetrainers_names(
    settings: Callable[..., TrainConfig], tmp_path: Path
) -> None:
    own = settings(
        export__bundle_embeddings=True,
        dataset__trigger="TOK,Bob",
        dataset__instance_prompt="TOK and Bob",
        sample__prompts=["TOK and Bob"],
    )
    folder, trainee = exported(own, tmp_path / "run")
    assert everything(folder) == declared(own)
    tensors, lora = load_file(folder / "toy_bundle.safetensors"), load_file(folder / "toy.safetensors")
    words = {name: one for name, one in tensors.items() if name.startswith("bundle_emb.")}
    assert set(tensors) - set(words) == set(lora)
    assert all(torch.equal(tensors[name], one) for name, one in lora.items())
    for name in ("toy_TOK_emb", "toy_Bob_emb"):
        for key, rows in load_file(folder / f"{name}.safetensors").items():
            assert torch.equal(words.pop(f"bundle_emb.{name}.{key}"), rows)
    assert words == {}
    told, plain = header(folder / "toy_bundle.safetensors"), header(folder / "toy.safetensors")
    assert (told["ss_output_name"], told["modelspec.title"]) == ("toy_bundle", "toy_bundle")
    assert told["modelspec.usage_hint"].startswith("The embeddings are in this file: write toy_TOK_emb and toy_Bob_emb")
    assert plain["modelspec.usage_hint"].startswith("Load toy_TOK_emb.safetensors and toy_Bob_emb.safetensors")
    bundled = {name: one + 1 for name, one in tensors.items() if name.startswith("bundle_emb.")}
    with pytest.raises(ExportMismatch, match="differs from what was trained"):
        prove_kohya(folder / "toy_bundle.safetensors", trainee.layers, 1, bundled)


def test_a_b_lora_has_content_and_style_as_files_of_their_own(
    settings: Callable[..., TrainConfig], tmp_path: Path
) -> None:
    blocks = ["up_blocks.0.attentions.0", "up_blocks.0.attentions.1"]
    both = settings(train__blocks=blocks, pivotal__enabled=False)
    folder, _ = exported(both, tmp_path / "run")
    assert everything(folder) == declared(both)
    whole, content, style = (load_file(folder / f"toy{part}.safetensors") for part in ("", "_content", "_style"))
    assert {name.split("_transformer")[0] for name in content} == {"lora_unet_output_blocks_0_1"}
    assert {name.split("_transformer")[0] for name in style} == {"lora_unet_output_blocks_1_1"}
    assert set(content) | set(style) == set(whole) and not set(content) & set(style)
    for part in ("toy", "toy_content", "toy_style"):  # by which AUTOMATIC1111 may know the file
        assert header(folder / f"{part}.safetensors")["ss_output_name"] == part
    folder, _ = exported(settings(train__blocks=blocks[:1]), tmp_path / "other")
    assert not list(folder.glob("*_content*"))


@pytest.mark.parametrize(
    ("own", "said"),
    [
        ({"pivotal__enabled": False}, "no bundle is written: the run trained no new tokens"),
        ({"train__dora": True, "train__dora_axis": "output"}, "no bundle is written: a DoRA along the output axis"),
        ({}, ""),
    ],
)
def test_a_bundle_that_cannot_be_is_said(
    settings: Callable[..., TrainConfig], tmp_path: Path, capsys: pytest.CaptureFixture[str], own: Any, said: str
) -> None:
    config = settings(**own)
    run = make_run(tmp_path / "run", config)
    trainee = make_trainee(load_parts(config, CPU), config)
    save_checkpoint(run, trainee.snapshot(1, {"settings": {}}))
    assert export_again([str(run.path), "--bundle-emb"]) == 0
    assert said in capsys.readouterr().err
    assert (run.export / "toy_bundle.safetensors").is_file() == (not said)


@pytest.mark.parametrize("own", [{}, {"train__dora": True}, {"train__dora": True, "train__dora_axis": "output"}])
def test_the_files_are_taken_up_again_as_they_were_trained(
    settings: Callable[..., TrainConfig], tmp_path: Path, own: dict[str, object]
) -> None:
    config = settings(train__alpha=2.0, export__precision="fp32", **own)
    folder, trainee = exported(config, tmp_path / "run")
    assert everything(folder) == declared(config)
    for place in ("the user interfaces'", "diffusers'", "diffusers' as an older loratui put it"):
        again = open_run(RunDir(tmp_path / "run"))
        load_exported(RunDir(tmp_path / "run"), again)
        for name, layer in trainee.layers.items():
            assert torch.allclose(again.trainee.layers[name].change(), layer.change(), atol=1e-6)
        if not (folder / DIFFUSERS).is_file():
            break
        (folder / f"{config.name}.safetensors").unlink(missing_ok=True)
        if place == "diffusers'":
            (folder / DIFFUSERS).rename(folder / OLD_DIFFUSERS)


@pytest.mark.parametrize("own", [{}, {"train__dora": True}, {"train__dora": True, "train__dora_axis": "output"}])
def test_the_files_hold_the_numbers_that_the_runs_pictures_are_drawn_with(
    settings: Callable[..., TrainConfig], tmp_path: Path, own: dict[str, object]
) -> None:
    """To the bit, at a scale that is no power of two, so that folded in it rounds otherwise."""
    config = settings(train__rank=4, train__alpha=3.0, export__precision="bf16", **own)
    _, trainee = exported(config, tmp_path / "run")
    again = open_run(RunDir(tmp_path / "run"))
    load_exported(RunDir(tmp_path / "run"), again)
    trained = {name: layer.up.detach().clone() for name, layer in trainee.layers.items()}
    with rounded_to(trainee.layers, torch.bfloat16):
        for name, layer in trainee.layers.items():
            for part, one in layer.trained().items():
                assert torch.equal(again.trainee.layers[name].trained()[part], one), (name, part)
            assert not torch.equal(layer.up, trained[name])
    assert all(torch.equal(layer.up, trained[name]) for name, layer in trainee.layers.items())


@pytest.mark.parametrize("trigger", ["TOK!,TOK?", "Tok,TOK", "a.b,A-b"])
def test_two_triggers_that_would_share_a_file_are_refused(settings: Callable[..., TrainConfig], trigger: str) -> None:
    one, other = trigger.split(",")
    own = {"dataset__trigger": trigger, "dataset__instance_prompt": f"{one} and {other}"}
    with pytest.raises(ValidationError, match=r"dataset\.trigger: .* would share one file of embeddings"):
        settings(**own)
    assert settings(**own, pivotal__enabled=False).dataset.trigger == trigger  # no files, no clash
    assert sharing_file(("TOK", "TOK2", "STOK")) is None
