"""LoRA on both text encoders: what the pipeline loads is what was trained, and it freezes at its own fraction."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from diffusers import StableDiffusionXLPipeline
from pydantic import ValidationError
from safetensors.torch import load_file
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

from tests.trainer.conftest import make_config, make_run, train
from tests.trainer.model.test_adapters import CONFIGS
from trainer.contract.basemodel.inspect import small_model
from trainer.contract.loras.keys import kohya_key
from trainer.contract.run.exports import DIFFUSERS
from trainer.contract.settings.config import TrainConfig
from trainer.export.files import write_diffusers, write_kohya
from trainer.export.header import Told
from trainer.model.adapters import add_text_lora
from trainer.model.parts import load_parts
from trainer.model.prompts import encode
from trainer.step.trainee import make_trainee

WAY = {"pivotal__enabled": False, "text_encoder_lora__enabled": True}


def test_it_stands_in_place_of_pivotal_tuning(settings: Callable[..., TrainConfig]) -> None:
    with pytest.raises(ValidationError, match=r"set pivotal\.enabled to false"):
        settings(text_encoder_lora__enabled=True)


@pytest.mark.parametrize(("way", "group"), [({}, "embeddings"), (WAY, "text_encoder")])
def test_the_words_have_a_decay_of_their_own_in_both_ways(
    settings: Callable[..., TrainConfig], way: dict[str, bool], group: str
) -> None:
    """With AdamW and no gradient, a step shrinks what is trained by rate x decay alone."""
    rates = {"train__optimizer": "adamw", "train__learning_rate": 0.1, "train__embedding_learning_rate": 0.1}
    rates |= {"train__text_encoder_learning_rate": 0.1, "train__weight_decay": 0.5}
    own = settings(**way, **rates, train__embedding_weight_decay=0.2)
    trainee = make_trainee(load_parts(own, torch.device("cpu")), own)
    before = {one.name: one.data.clone() for one in trainee.groups}
    trainee.optimizer.step(1.0)
    assert set(before) == {"unet", group}
    for one in trainee.groups:
        shrunk = before[one.name] * (1 - 0.1 * (0.5 if one.name == "unet" else 0.2))
        assert torch.allclose(one.data, shrunk, rtol=1e-6, atol=0)


@torch.no_grad()
def test_the_pipeline_encodes_with_the_file_as_the_trainer_does(
    settings: Callable[..., TrainConfig], tmp_path: Path
) -> None:
    own = settings(**WAY, train__alpha=2.0)
    parts = load_parts(own, torch.device("cpu"))
    layers = add_text_lora(parts.text_encoders, own)
    for layer in layers.values():
        layer.up.normal_(std=0.1)
    write_diffusers(tmp_path / DIFFUSERS, layers, torch.float32)
    pipe = StableDiffusionXLPipeline.from_pretrained(small_model())
    before, *_ = pipe.encode_prompt("a red star", device="cpu", do_classifier_free_guidance=False)
    pipe.load_lora_weights(tmp_path, weight_name=DIFFUSERS)
    hidden, _, pooled, _ = pipe.encode_prompt("a red star", device="cpu", do_classifier_free_guidance=False)
    found = encode(parts, ["a red star"])
    assert torch.allclose(found.hidden, hidden, atol=1e-5)
    assert torch.allclose(found.pooled, pooled, atol=1e-5)
    assert not torch.allclose(before, hidden, atol=1e-2)


def test_the_keys_have_text_model_whatever_transformers_calls_it(
    settings: Callable[..., TrainConfig], tmp_path: Path
) -> None:
    own = settings(**WAY)
    parts = load_parts(own, torch.device("cpu"))
    layers = add_text_lora(parts.text_encoders, own)
    write_diffusers(tmp_path / "a.safetensors", layers, torch.float16)
    write_kohya(tmp_path / "b.safetensors", own, layers, Told((), 1), 1)
    one, other = load_file(tmp_path / "a.safetensors"), load_file(tmp_path / "b.safetensors")
    assert "text_encoder.text_model.encoder.layers.0.self_attn.q_proj.lora_linear_layer.down.weight" in one
    assert "text_encoder_2.text_model.encoder.layers.1.self_attn.out_proj.lora_linear_layer.up.weight" in one
    assert "lora_te1_text_model_encoder_layers_0_self_attn_q_proj.lora_down.weight" in other
    assert "lora_te2_text_model_encoder_layers_1_self_attn_out_proj.alpha" in other


def test_the_layers_of_sdxl_are_48_and_128(settings: Callable[..., TrainConfig]) -> None:
    encoders = []
    for name, family in (("text_encoder", CLIPTextModel), ("text_encoder_2", CLIPTextModelWithProjection)):
        with torch.device("meta"):
            encoders.append(family(CLIPTextConfig(**json.loads((CONFIGS / f"{name}.json").read_text()))))
    keys = [kohya_key(name) for name in add_text_lora((encoders[0], encoders[1]), settings(**WAY))]
    assert len([key for key in keys if key.startswith("lora_te1_text_model_encoder_layers_")]) == 48
    assert len([key for key in keys if key.startswith("lora_te2_text_model_encoder_layers_")]) == 128
    assert len(set(keys)) == 176


@pytest.mark.slow
def test_the_text_encoders_freeze_at_their_fraction_and_the_unet_goes_on(pictures: Path, tmp_path: Path) -> None:
    own = make_config(pictures, **WAY, text_encoder_lora__fraction=0.5, prodigy__d0=1e-3, export__precision="fp16")
    run = make_run(tmp_path / "run", own)
    events = train(run)
    steps = [event for event in events if event["type"] == "step"]
    assert [set(event["rates"]) for event in steps[2:4]] == [{"unet", "text_encoder"}, {"unet"}]
    names = load_file(run.checkpoint(2) / "lora.safetensors")
    last = max(int(name.split(".")[3]) for name in names if name.startswith("text_encoder."))
    unread = f"text_encoder.encoder.layers.{last}."
    at = {step: load_file(run.checkpoint(step) / "lora.safetensors") for step in (2, 4, 6)}
    for name in at[2]:
        frozen = name.startswith("text_encoder")
        assert torch.equal(at[4][name], at[6][name]) == frozen
        # the unet reads the first encoder before its last layer, which so has nothing to learn
        assert torch.equal(at[2][name], at[4][name]) == (name.startswith(unread) and name.endswith("up"))
        if frozen:
            assert torch.equal(at[6][name], at[6][name].half().float())  # what the file holds, to the bit
