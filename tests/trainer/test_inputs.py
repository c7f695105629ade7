"""Bad input: all of it told at once, before any weight is loaded, and nothing trained on what was made up."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file, save_file

from tests.trainer.conftest import draw_dataset, make_config, make_run, train
from trainer.contract.basemodel.inspect import NotSDXL, small_model
from trainer.contract.plan.advice import refusals
from trainer.contract.run import exits
from trainer.contract.run.rundir import RunDir
from trainer.data.dataset import DataError
from trainer.inputs import SettingsError, other_files, read_inputs
from trainer.model.parts import load_parts, pick_device


def without_unet(folder: Path) -> Path:
    """A copy of the small model that cannot be loaded: whoever reads it has failed the test."""
    copy = folder / "model"
    shutil.copytree(small_model(), copy)
    shutil.rmtree(copy / "unet")
    return copy


def test_everything_is_told_at_once_before_the_model_loads(tmp_path: Path) -> None:
    folder = draw_dataset(tmp_path / "pictures")
    (folder / "1.txt").write_bytes(b"\xff bad")
    (folder / "metadata.jsonl").write_text(
        '{"file_name": "gone.png", "prompt": "a TOK"}\n{"file_name": "../out.png", "prompt": "a TOK"}\n'
    )
    (folder / "broken.png").write_bytes(b"no picture")
    classes = draw_dataset(tmp_path / "class", captions=False, grey=200)
    shutil.copy(folder / "0.png", classes / "mine.png")
    (classes / "half.png").write_bytes((classes / "1.png").read_bytes()[:200])
    own = make_config(
        folder,
        model__base=str(without_unet(tmp_path)),
        prior__enabled=True,
        prior__path=str(classes),
        train__blocks=["up_blocks.7"],
    )
    with pytest.raises(DataError) as caught:
        read_inputs(own, None)
    said = str(caught.value)
    for word in ("1.png", "1.txt is not UTF-8", "gone.png", "../out.png", "broken.png", "half.png", "unet missing"):
        assert word in said, (word, said)


def test_unknown_blocks_and_a_picture_on_both_sides_are_told_together(tmp_path: Path) -> None:
    folder = draw_dataset(tmp_path / "pictures")
    classes = draw_dataset(tmp_path / "class", captions=False, grey=200)
    shutil.copy(folder / "0.png", classes / "mine.png")
    own = make_config(folder, prior__enabled=True, prior__path=str(classes), train__blocks=["up_blocks.7"])
    with pytest.raises(DataError) as caught:
        read_inputs(own, None)
    assert "mine.png is the same picture as 0.png" in str(caught.value)
    assert "no block 'up_blocks.7'" in str(caught.value)
    (classes / "mine.png").unlink()
    with pytest.raises(SettingsError, match=r"up_blocks\.7"):
        read_inputs(own, None)


def test_what_else_lies_in_the_class_folder_is_named_and_left_alone(tmp_path: Path) -> None:
    folder = draw_dataset(tmp_path / "pictures")
    classes = draw_dataset(tmp_path / "class", grey=200)
    (classes / ".DS_Store").write_bytes(b"x")
    (classes / "sub").mkdir()
    own = make_config(folder, prior__enabled=True, prior__path=str(classes), dataset__class_word="star")
    inputs = read_inputs(own, None)
    assert [item.name for item in inputs.class_photographs] == [f"{place}.png" for place in range(5)]
    assert other_files(own, inputs.class_photographs) == [*(f"{place}.txt" for place in range(5)), "sub"]


@pytest.mark.parametrize("part", ["unet", "text_encoder", "text_encoder_2", "vae"])
def test_weights_that_lack_a_tensor_are_refused_and_not_made_up(tmp_path: Path, part: str) -> None:
    copy = tmp_path / "model"
    shutil.copytree(small_model(), copy)
    (weights,) = (copy / part).glob("*.safetensors")
    tensors = load_file(weights)
    gone = sorted(name for name in tensors if tensors[name].dim() > 1)[0]
    save_file({name: one for name, one in tensors.items() if name != gone}, weights, {"format": "pt"})
    own = make_config(tmp_path, model__base=str(copy))
    assert any(f"{part} does not fit its configuration: 1 of its" in one for one in refusals(own))
    with pytest.raises(NotSDXL, match="missing"):
        load_parts(own, pick_device(own))


@pytest.mark.slow
@pytest.mark.parametrize("part", ["vae", "text_encoder_2"])
def test_a_changed_part_of_the_base_model_refuses_the_resume(pictures: Path, tmp_path: Path, part: str) -> None:
    copy = tmp_path / "model"
    shutil.copytree(small_model(), copy)
    own = make_config(pictures, model__base=str(copy), train__steps=2)
    run = make_run(tmp_path / "run", own)
    train(run)
    (weights,) = (copy / part).glob("*.safetensors")
    tensors = load_file(weights)
    name = sorted(one for one in tensors if tensors[one].dim() > 1)[0]
    tensors[name].view(-1)[0] += 0.1
    save_file(tensors, weights, {"format": "pt"})
    events = train(run, exits.DATASET)
    assert f"base.{part}: was" in error_of(events)
    assert not [event for event in last_start(events) if event["type"] == "phase" and event["done"] > 0]


def error_of(events: list[dict[str, Any]]) -> str:
    return str(next(event for event in last_start(events) if event["type"] == "error")["message"])


def last_start(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    starts = [place for place, event in enumerate(events) if event["type"] == "run"]
    return events[starts[-1] :]


@pytest.mark.slow
def test_prompts_that_nothing_trains_are_kept_for_the_next_run(
    pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    own = make_config(pictures, pivotal__enabled=False, train__steps=2)
    first, second, skipped = (make_run(tmp_path / name, one) for name, one in named_runs(own, pictures).items())
    train(first)
    kept = sorted((tmp_path / "cache" / "loratui" / "prompts").iterdir())
    assert len(kept) == 5  # five captions; the sample's prompt is one of them
    times = [path.stat().st_mtime_ns for path in kept]
    train(second)
    assert [path.stat().st_mtime_ns for path in kept] == times
    assert lora(first) == lora(second)
    train(skipped)
    assert len(list((tmp_path / "cache" / "loratui" / "prompts").iterdir())) == 10
    assert lora(skipped) != lora(first)


def named_runs(own: Any, pictures: Path) -> dict[str, Any]:
    other = make_config(pictures, pivotal__enabled=False, train__steps=2, model__clip_skip=1)
    return {"a": own, "b": own, "skipped": other}


def lora(run: RunDir) -> bytes:
    return (run.checkpoint(2) / "lora.safetensors").read_bytes()
