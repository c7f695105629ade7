"""What is no SDXL base model is told by what is there, and what people paste for a hub id is answered with the id."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

from trainer.contract.basemodel.families import file_kind, pipeline_kind
from trainer.contract.basemodel.inspect import NotSDXL, inspect_base, small_model
from trainer.contract.basemodel.layers import lora_paths
from trainer.contract.basemodel.names import one_file
from trainer.contract.basemodel.single_file import CONFIGS
from trainer.contract.basemodel.tensors import usual_names, wanted_tensors

U = "model.diffusion_model."
# the names by which each is known, as their own files have them
NAMES: dict[str, tuple[tuple[str, ...], str]] = {
    "lora": (("lora_unet_input_blocks_4_1_proj_in.lora_down.weight",), "a LoRA"),
    "loha": (("lora_unet_x.hada_w1_a",), "a LoRA"),
    "boft": (("lora_unet_x.oft_diag",), "a LoRA"),
    "ia3": (("lora_unet_x.weight", "lora_unet_x.on_input"), "a LoRA"),
    "ip": (("image_proj.proj.weight", "ip_adapter.1.to_k_ip.weight"), "an IP-Adapter"),
    "t2i": (("adapter.body.0.resnets.0.block1.weight",), "a T2I adapter"),
    "motion": (("down_blocks.0.motion_modules.0.temporal_transformer.norm.weight",), "AnimateDiff"),
    "control": (("controlnet_cond_embedding.conv_in.weight", "down_blocks.0.resnets.0.conv1.weight"), "a ControlNet"),
    "sd3": ((f"{U}joint_blocks.0.context_block.attn.qkv.weight", "text_encoders.clip_g.x"), "Stable Diffusion 3"),
    "flux": ((f"{U}double_blocks.0.img_attn.qkv.weight", "text_encoders.t5xxl.x"), "Flux"),
    "chroma": (("double_blocks.0.img_attn.qkv.weight", "distilled_guidance_layer.in_proj.weight"), "Chroma"),
    "lumina": ((f"{U}layers.0.attention.qkv.weight", f"{U}cap_embedder.1.weight"), "Lumina or Z-Image"),
    "zimage": (("layers.0.attention.to_q.weight", "cap_embedder.1.weight"), "Lumina or Z-Image"),
    "cascade": (("down_blocks.0.0.channelwise.0.weight", "clip_txt_mapper.weight"), "Stable Cascade"),
    "pixart": (("x_embedder.proj.weight", "blocks.0.attn.qkv.weight"), "PixArt"),
    "sd2": ((f"{U}input_blocks.0.0.weight", "cond_stage_model.model.token_embedding.weight"), "Stable Diffusion 2"),
    "sd15": ((f"{U}input_blocks.0.0.weight", "cond_stage_model.transformer.x"), r"Stable Diffusion 1.5"),
    "unet": (("down_blocks.0.resnets.0.conv1.weight", "add_embedding.linear_1.weight"), "SDXL's unet by itself"),
    "clip": (("text_model.encoder.layers.0.mlp.fc1.weight",), "a text encoder by itself"),
    "llama": (("model.layers.0.self_attn.q_proj.weight",), "a language model"),
    "upscaler": (("model.0.weight",), "an upscaler"),
    "hyper": (("768.0.linear.0.weight",), "a hypernetwork"),
    "vae": (("encoder.down.0.block.0.conv1.weight", "decoder.conv_in.weight"), "a VAE by itself"),
    "half": ((f"{U}input_blocks.0.0.weight", f"{U}label_emb.0.0.weight"), "without both text encoders"),
    "nothing": (("x",), "no model that loratui knows"),
}


@pytest.mark.parametrize("kind", NAMES)
def test_each_family_is_told_by_its_names(kind: str) -> None:
    names, said = NAMES[kind]
    assert said in file_kind({name: (8, 4, 3, 3) for name in names})


def test_what_is_beside_a_whole_sdxl_does_not_make_it_another() -> None:
    parts = (f"{U}input_blocks.0.0.weight", "conditioner.embedders.0.transformer.x", "conditioner.embedders.1.model.x")
    whole = {name: (320, 4, 3, 3) for name in parts}
    for names, _ in NAMES.values():
        assert file_kind({name: (8, 4, 3, 3) for name in names} | whole) == ""
    assert "an inpainting model" in file_kind(whole | {f"{U}input_blocks.0.0.weight": (320, 9, 3, 3)})
    assert pipeline_kind("StableDiffusionXLPipeline") == pipeline_kind("StableDiffusionXLImg2ImgPipeline") == ""


PASTED = {
    "https://huggingface.co/me/plain": "write 'me/plain'",
    "https://huggingface.co/me/plain/tree/v1": "write 'me/plain', and 'v1' for model.revision",
    "huggingface.co/me/plain": "write 'me/plain'",
    "hf://me/plain": "write 'me/plain'",
    "me/plain ": "there is one space too many; write 'me/plain'",
    "me/plain@main": "write 'me/plain', and 'main' for model.revision",
    "https://huggingface.co/me/one/blob/main/Some-XL.safetensors": "hf download me/one 'Some-XL.safetensors'",
    "me/one/Some-XL.safetensors": "hf download me/one 'Some-XL.safetensors'",
    "https://civitai.com/api/download/models/123": "download the file and give its path",
    "./nowhere.safetensors": "nothing is there",
    "plain": "nor a hub id such as owner/name",
}


@pytest.mark.parametrize("pasted", PASTED)
def test_what_people_paste_is_answered_with_what_to_write(pasted: str) -> None:
    with pytest.raises(NotSDXL) as caught:
        inspect_base(pasted)
    assert PASTED[pasted] in str(caught.value) and f"'{pasted}'" in str(caught.value)


def test_a_repository_of_one_file_is_told_from_one_without_any() -> None:
    assert "(hf download me/one 'Some XL.safetensors')" in one_file("me/one", ["README.md", "Some XL.safetensors"])
    assert "has no .safetensors" in one_file("me/one", ["README.md", "unet/diffusion_pytorch_model.bin"])


def _configs(small: bool) -> dict[str, dict[str, Any]]:
    parts = ("unet", "vae", "text_encoder", "text_encoder_2")
    place = {part: small_model() / part / "config.json" if small else CONFIGS / f"{part}.json" for part in parts}
    return {part: json.loads(path.read_text()) for part, path in place.items()}


# SSD-1B's depths: another for each attention of a level
NESTED = {"transformer_layers_per_block": [0, [2, 2], [4, 4]]}
NESTED["reverse_transformer_layers_per_block"] = [[4, 4, 10], [2, 1, 1], 1]  # type: ignore[assignment]


@pytest.mark.parametrize("small", [True, False])
def test_the_tensors_of_a_configuration_are_those_that_the_libraries_make(small: bool) -> None:
    configs = _configs(small)
    unets = [configs["unet"], configs["unet"] | {"mid_block_type": "UNetMidBlock2D", "time_cond_proj_dim": 256}]
    unets += [] if small else [configs["unet"] | NESTED]
    with torch.device("meta"):
        made = [("unet", one, UNet2DConditionModel.from_config(one)) for one in unets]
        made.append(("vae", configs["vae"], AutoencoderKL.from_config(configs["vae"])))
        for part, family in (("text_encoder", CLIPTextModel), ("text_encoder_2", CLIPTextModelWithProjection)):
            made.append((part, configs[part], family(CLIPTextConfig(**configs[part]))))
    for part, config, module in made:
        there = {name: tuple(one.shape) for name, one in module.state_dict().items()}
        assert wanted_tensors(part, config) == usual_names(part, there), part
    linear = {name for name, one in made[-3 if small else -4][2].named_modules() if isinstance(one, torch.nn.Linear)}
    assert small or set(lora_paths(configs["unet"] | NESTED, "attention")) <= linear


def test_a_configuration_of_another_kind_is_not_judged(tmp_path: Path) -> None:
    unet = _configs(True)["unet"]
    assert wanted_tensors("unet", unet | {"down_block_types": ["SimpleDown"] * 3}) is None
    assert wanted_tensors("unet", unet | {"class_embed_type": "timestep"}) is None
    assert wanted_tensors("vae", {}) is None
