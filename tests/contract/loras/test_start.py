"""A LoRA to begin from is told by its header: whose names, which rank and layers, and what cannot be begun from."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.trainer.conftest import make_config
from tests.trainer.model.lora_files import NAMES, kohya, matrices, named, unet_of
from trainer.contract.basemodel.inspect import small_model
from trainer.contract.loras.lora_file import NotALora, read_lora
from trainer.contract.loras.start import find_start, start_notes, start_refusals, start_values
from trainer.contract.settings.config import SMALL, TrainConfig
from trainer.contract.settings.model import Model

MODEL, BASE = Model(base=SMALL), small_model()


def rows(path: Path, count: int) -> Path:
    save_file({"clip_l": torch.randn(count, 64), "clip_g": torch.randn(count, 96)}, path)
    return path


def from_(place: Path, **own: object) -> TrainConfig:
    return make_config(place.parent, model__base=SMALL, train__start_from=str(place), **own)


@pytest.mark.parametrize("form", NAMES)
def test_every_way_of_naming_its_layers_is_known(form: str, tmp_path: Path) -> None:
    made = matrices(BASE, 3)
    path = named(tmp_path / "a.safetensors", made, NAMES[form])
    found = read_lora(path, unet_of(BASE))
    assert {name: (one.rank, one.inputs, one.outputs) for name, one in found.layers.items()} == {
        name: (3, down.shape[1], len(up)) for name, (down, up) in made.items()
    }
    assert found.passed == () and {one.scale for one in found.layers.values()} == {1.0}


def test_rank_alpha_layers_and_tokens_are_taken_from_it(tmp_path: Path) -> None:
    path = kohya(tmp_path / "dog.safetensors", matrices(BASE, 6, "all-linear"), 3.0, BASE)
    rows(tmp_path / "dog_emb.safetensors", 4)
    values = start_values(str(path), MODEL, "TOK")
    assert values == {
        "train.rank": 6,
        "train.alpha": 3.0,
        "train.targets": "all-linear",
        "train.blocks": (),
        "train.dora": False,
        "pivotal.tokens": 4,
    }
    config = from_(path, train__rank=6, train__alpha=3.0, train__targets="all-linear", pivotal__tokens=4)
    assert start_refusals(config) == start_notes(config) == []


def test_a_lora_of_some_blocks_sets_the_blocks(tmp_path: Path) -> None:
    made = {path: one for path, one in matrices(BASE, 2).items() if path.startswith("up_blocks.0.attentions.1.")}
    path = named(tmp_path / "style.safetensors", made, NAMES["diffusers"])
    assert start_values(str(path), MODEL, "TOK")["train.blocks"] == ("up_blocks.0.attentions.1",)


def test_the_alpha_that_diffusers_writes_into_the_header_counts(tmp_path: Path) -> None:
    told = {"lora_adapter_metadata": '{"unet.lora_alpha": 2, "unet.r": 8}'}
    path = named(tmp_path / "a.safetensors", matrices(BASE, 8), NAMES["diffusers of today"], told)
    assert {one.scale for one in read_lora(path, unet_of(BASE)).layers.values()} == {0.25}
    assert start_values(str(path), MODEL, "TOK")["train.alpha"] == 2.0


def test_alphas_are_read_in_every_precision(tmp_path: Path) -> None:
    for kind in (torch.float32, torch.float16, torch.bfloat16, torch.float64):
        made = {path: one for path, one in list(matrices(BASE, 4).items())[:2]}
        path = kohya(tmp_path / "a.safetensors", made, 1.5, BASE)
        save_file({name: one.to(kind) for name, one in load_file(path).items()}, path)
        assert {one.scale for one in read_lora(path, unet_of(BASE)).layers.values()} == {1.5 / 4}


def test_what_no_lora_is_says_what_it_is(tmp_path: Path) -> None:
    loha = tmp_path / "loha.safetensors"
    save_file({"lora_unet_input_blocks_4_1_proj_in.hada_w1_a": torch.zeros(4, 4)}, loha)
    other = tmp_path / "sd15.safetensors"
    sd15 = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q"
    save_file({f"{sd15}.lora_down.weight": torch.zeros(4, 320), f"{sd15}.lora_up.weight": torch.zeros(320, 4)}, other)
    words = rows(tmp_path / "words_emb.safetensors", 2)
    text = tmp_path / "text.safetensors"
    text.write_text("no weights")
    for path, said in (
        (loha, "not a LoRA but LoHa"),
        (other, "for another, such as SD 1.5"),
        (words, "embeddings alone"),
        (text, "not a safetensors"),
        (tmp_path / "gone.safetensors", "is not there"),
        (tmp_path, "'loha.safetensors': it is not a LoRA but LoHa"),
        (tmp_path / "empty", "there is no LoRA in"),
    ):
        (tmp_path / "empty").mkdir(exist_ok=True)
        (sentence,) = start_refusals(from_(path))
        assert said in sentence and sentence.startswith("train.start_from: "), sentence


def test_a_lora_for_a_model_of_other_sizes_is_refused(tmp_path: Path) -> None:
    made = {name: (torch.cat([down, down], 1), up) for name, (down, up) in matrices(BASE, 4).items()}
    (sentence,) = start_refusals(from_(kohya(tmp_path / "a.safetensors", made, 4.0, BASE)))
    assert "was made for another base model" in sentence
    with pytest.raises(NotALora, match="not a pair"):
        odd = {name: (down, up[:, :1].clone()) for name, (down, up) in matrices(BASE, 4).items()}
        read_lora(kohya(tmp_path / "b.safetensors", odd, 4.0, BASE), unet_of(BASE))


def test_what_does_not_fit_and_what_is_left_is_said(tmp_path: Path) -> None:
    conv = {"lora_unet_input_blocks_1_0_in_layers_2.lora_down.weight": torch.zeros(4, 4, 3, 3)}
    path = kohya(tmp_path / "a.safetensors", matrices(BASE, 8, "all-linear"), 8.0, BASE, **conv)
    rows(tmp_path / "a_emb.safetensors", 3)
    found = start_refusals(from_(path, train__rank=4))
    assert [one.split(" is ")[0] for one in found] == ["train.rank", "pivotal.tokens"]
    notes = start_notes(from_(path, train__rank=8, pivotal__enabled=False))
    assert any("layers that this run does not train, such as lora_unet_input_blocks_1_0" in one for one in notes)
    assert any("embeddings, which need pivotal tuning" in one for one in notes)


def test_the_embeddings_of_each_trigger_are_its_own(tmp_path: Path) -> None:
    path = kohya(tmp_path / "two.safetensors", matrices(BASE, 4), 4.0, BASE)
    for word in ("TOK", "TOK2"):
        rows(tmp_path / f"two_{word}_emb.safetensors", 2)
    found = find_start(str(tmp_path), MODEL, "TOK,TOK2")
    assert {word: one.path.name for word, one in found.rows.items()} == {
        "TOK": "two_TOK_emb.safetensors",
        "TOK2": "two_TOK2_emb.safetensors",
    }
    assert found.lora.path == path and found.spare == ()
    other = find_start(str(path), MODEL, "anna")
    assert other.rows == {} and other.spare == ("two_TOK2_emb", "two_TOK_emb")


def test_an_alpha_that_is_no_number_is_refused_before_anything_starts(tmp_path: Path) -> None:
    path = kohya(tmp_path / "a.safetensors", matrices(BASE, 4), 4.0, BASE)
    whole = load_file(path)
    alpha = next(name for name in whole if name.endswith(".alpha"))
    save_file({**whole, alpha: torch.tensor(float("nan"))}, path)
    (said,) = start_refusals(from_(path))
    assert f"'{alpha}' in it is nan: the file is damaged" in said
