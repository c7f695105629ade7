"""A single SDXL checkpoint: told by its header, loaded as its folder is, trained to the same files."""

from __future__ import annotations

import json
import pickle
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from diffusers.loaders.single_file_utils import (
    convert_ldm_unet_checkpoint,
    convert_ldm_vae_checkpoint,
    convert_open_clip_checkpoint,
)
from safetensors.torch import load_file, save_file
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

from tests.trainer.checkpoints import small_parts, to_checkpoint, write_small
from tests.trainer.conftest import make_config, make_run, train
from trainer.contract.basemodel.inspect import NotSDXL, inspect_base, small_model
from trainer.contract.basemodel.sgm import PREFIXES, diffusers_shapes, places
from trainer.contract.basemodel.single_file import CLIP, CONFIGS, BadCheckpoint, read_checkpoint
from trainer.contract.plan.advice import advice, refusals
from trainer.contract.plan.estimate import estimate
from trainer.export.card import model_card
from trainer.ground.digests import weights_digest
from trainer.model.errors import ModelError
from trainer.model.parts import load_parts
from trainer.model.single_file import load_scheduler, load_tokenizer

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small SDXL in one file."""
    return write_small(tmp_path_factory.mktemp("models") / "own-sdxl.v1.safetensors")


@pytest.fixture(scope="module")
def full_size() -> dict[str, dict[str, torch.Tensor]]:
    """Every tensor of SDXL, without numbers."""
    configs = {name: json.loads((CONFIGS / f"{name}.json").read_text()) for name in PREFIXES}
    with torch.device("meta"):
        parts: dict[str, Any] = {
            "unet": UNet2DConditionModel.from_config(configs["unet"]),
            "vae": AutoencoderKL.from_config(configs["vae"]),
            "text_encoder": CLIPTextModel(CLIPTextConfig(**configs["text_encoder"])),
            "text_encoder_2": CLIPTextModelWithProjection(CLIPTextConfig(**configs["text_encoder_2"])),
        }
    return {name: part.state_dict() for name, part in parts.items()}


def shapes_of(tensors: dict[str, torch.Tensor]) -> dict[str, tuple[int, ...]]:
    return {name: tuple(one.shape) for name, one in tensors.items()}


def test_every_name_of_the_full_size_checkpoint_comes_back_as_diffusers_has_it(
    full_size: dict[str, dict[str, torch.Tensor]],
) -> None:
    checkpoint = to_checkpoint(full_size, per_block=2)
    # what people know of the file that Stability published
    assert checkpoint["model.diffusion_model.output_blocks.2.2.conv.weight"].shape == (1280, 1280, 3, 3)
    assert checkpoint["conditioner.embedders.1.model.transformer.resblocks.31.attn.in_proj_weight"].shape == (
        3840,
        1280,
    )
    assert checkpoint["first_stage_model.decoder.up.3.upsample.conv.weight"].shape == (512, 512, 3, 3)
    found = diffusers_shapes(shapes_of(checkpoint))
    assert places(shapes_of(checkpoint)).strange == ()
    for part in ("unet", "vae", "text_encoder_2"):
        assert found[part] == shapes_of(full_size[part])
    first = {name.removeprefix("text_model."): shape for name, shape in found["text_encoder"].items()}
    assert first == shapes_of(full_size["text_encoder"])
    # and as diffusers' own converters read it, which know nothing of ours
    unet = json.loads((CONFIGS / "unet.json").read_text())
    assert shapes_of(convert_ldm_unet_checkpoint(dict(checkpoint), unet)) == found["unet"]
    vae = json.loads((CONFIGS / "vae.json").read_text())
    assert shapes_of(convert_ldm_vae_checkpoint(dict(checkpoint), vae)) == found["vae"]


def test_the_second_encoder_is_cut_and_turned_as_diffusers_does() -> None:
    parts = small_parts()
    checkpoint = to_checkpoint(parts, per_block=1)
    config = CLIPTextConfig.from_pretrained(small_model(), subfolder="text_encoder_2")
    theirs = convert_open_clip_checkpoint(
        CLIPTextModelWithProjection(config), dict(checkpoint), prefix=PREFIXES["text_encoder_2"]
    )
    for name, tensor in parts["text_encoder_2"].items():
        assert torch.equal(theirs[name], tensor), name


def test_every_tensor_and_tokenizer_of_the_file_is_the_folders(checkpoint: Path, pictures: Path) -> None:
    folder, file = (load_parts(make_config(pictures, model__base=str(one)), CPU) for one in (small_model(), checkpoint))
    assert folder.text_encoders is not None and file.text_encoders is not None
    for one, other in zip(
        (folder.unet, folder.vae, *folder.text_encoders), (file.unet, file.vae, *file.text_encoders), strict=True
    ):
        assert weights_digest(one) == weights_digest(other)
        assert not any(parameter.is_meta or parameter.requires_grad for parameter in other.parameters())
        assert not any(buffer.is_meta for buffer in other.buffers())
    assert [one.get_vocab() for one in folder.tokenizers] == [one.get_vocab() for one in file.tokenizers]
    assert dict(folder.scheduler.config) == dict(file.scheduler.config)
    assert file.zero_empty == folder.zero_empty


def test_the_estimate_counts_the_file_as_it_counts_the_folder(checkpoint: Path, pictures: Path) -> None:
    folder, file = (estimate(make_config(pictures, model__base=str(one)), 5) for one in (small_model(), checkpoint))
    assert file == folder and file.exact
    assert inspect_base(str(checkpoint)).native == 64
    assert (
        refusals(make_config(pictures, model__base=str(checkpoint), train__blocks=("up_blocks.0.attentions.0",))) == []
    )
    assert refusals(make_config(pictures, model__base=str(checkpoint), train__blocks=("up_blocks.7",)))


@pytest.mark.slow
def test_training_from_the_file_gives_the_folders_losses_and_lora_and_goes_on_only_from_the_same_file(
    checkpoint: Path, pictures: Path, tmp_path: Path
) -> None:
    losses, files = [], []
    for name, base in (("folder", small_model()), ("file", checkpoint)):
        run = make_run(tmp_path / name, make_config(pictures, model__base=str(base), train__steps=3))
        losses.append([event["loss"] for event in train(run) if event["type"] == "step"])
        files.append(load_file(run.export / "toy.safetensors"))
    assert len(losses[0]) == 3 and losses[0] == losses[1]
    assert files[0].keys() == files[1].keys()
    assert all(torch.equal(tensor, files[1][name]) for name, tensor in files[0].items())
    # the checkpoint of step 2 goes on; with one number changed in the file it does not
    shutil.rmtree(run.checkpoints / "step-000003")
    assert [event["step"] for event in train(run) if event["type"] == "step"][-1] == 3
    shutil.rmtree(run.checkpoints / "step-000003")
    before = checkpoint.read_bytes()
    tensors = load_file(checkpoint)
    tensors["model.diffusion_model.out.2.bias"][0] += 1
    save_file(tensors, checkpoint)
    try:
        assert "base.unet: was" in train(run, code=3)[-2]["message"]
    finally:
        checkpoint.write_bytes(before)


def test_the_card_shows_how_to_load_the_file_and_not_where_it_lies(checkpoint: Path, pictures: Path) -> None:
    card = model_card(make_config(pictures, model__base=str(checkpoint)), 5, 3, [])
    assert f"base = {checkpoint.name!r}  #" in card
    assert "StableDiffusionXLPipeline.from_single_file(base, torch_dtype=torch.float32)" in card
    assert str(checkpoint.parent) not in card


def test_full_size_checkpoints_are_read_with_the_vocabulary_that_ships() -> None:
    path = Path("nowhere/juggernaut.safetensors")
    first, second = (load_tokenizer(path, name) for name in ("tokenizer", "tokenizer_2"))
    # ids that everybody who has looked into CLIP knows
    assert first("a photo of a cat").input_ids == [49406, 320, 1125, 539, 320, 2368, 49407]
    assert len(first) == len(second) == 49408
    assert (first.pad_token_id, second.pad_token_id, first.eos_token_id) == (49407, 0, 49407)
    assert first.model_max_length == second.model_max_length == 77
    assert len(json.loads((CLIP / "vocab.json").read_text(encoding="utf-8"))) == 49408


ONE = torch.zeros(1)
MARKS: dict[str, tuple[dict[str, torch.Tensor], dict[str, Any]]] = {
    "nothing": ({}, {"prediction_type": "epsilon"}),
    "v_pred": ({"v_pred": ONE}, {"prediction_type": "v_prediction", "rescale_betas_zero_snr": False}),
    "v_pred and ztsnr": (
        {"v_pred": ONE, "ztsnr": ONE.clone()},
        {"prediction_type": "v_prediction", "rescale_betas_zero_snr": True, "timestep_spacing": "trailing"},
    ),
    "CosXL": (
        {"edm_vpred.sigma_max": torch.tensor(90.0)},
        {"prediction_type": "v_prediction", "sigma_max": 90.0, "sigma_min": 0.002, "sigma_data": 1.0},
    ),
    "Playground": (
        {"edm_mean": torch.ones(4), "edm_std": torch.full((4,), 2.0)},
        {"sigma_data": 0.5, "sigma_max": 80.0},
    ),
}


@pytest.mark.parametrize("mark", MARKS)
def test_what_the_model_predicts_is_told_by_the_marks_in_the_file(mark: str, tmp_path: Path, pictures: Path) -> None:
    extra, expected = MARKS[mark]
    path = write_small(tmp_path / "marked.safetensors", extra)
    shutil.rmtree(tmp_path / "marked" / "scheduler")
    config = load_scheduler(path).config
    assert {name: config.get(name) for name in expected} == expected
    edm = mark in ("CosXL", "Playground")
    assert type(load_scheduler(path)).__name__.startswith("EDM") == edm == inspect_base(str(path)).edm
    if mark == "Playground":
        (tmp_path / "marked" / "vae" / "config.json").rename(tmp_path / "vae.json")
        with pytest.raises(ModelError, match="the vae of"):  # the small VAE is not SDXL's
            load_parts(make_config(pictures, model__base=str(path)), CPU)


def test_the_metadata_tells_the_prediction_where_no_mark_does(tmp_path: Path) -> None:
    path = write_small(tmp_path / "said.safetensors")
    save_file(load_file(path), path, {"modelspec.prediction_type": "v"})
    assert read_checkpoint(path).prediction == "v_prediction"


def test_a_checkpoint_without_its_vae_wants_another(tmp_path: Path, pictures: Path) -> None:
    path = write_small(tmp_path / "pruned.safetensors", left_out=["first_stage_model."])
    assert any("brings no VAE" in one for one in refusals(make_config(pictures, model__base=str(path))))
    own = make_config(pictures, model__base=str(path), model__vae=str(small_model() / "vae"))
    assert refusals(own) == []
    assert weights_digest(load_parts(own, CPU).vae)


UNET = "model.diffusion_model."
WRONG: dict[str, tuple[dict[str, tuple[int, ...]], str]] = {
    "lora": ({"lora_unet_input_blocks_4_1_proj_in.lora_down.weight": (4, 64)}, "is a LoRA"),
    "peft": ({"unet.down_blocks.1.attentions.0.proj_in.lora_A.weight": (4, 64)}, "is a LoRA"),
    "sd15": ({f"{UNET}out.2.bias": (4,), "cond_stage_model.transformer.x": (1,)}, "is Stable Diffusion 1.5"),
    "sd2": ({f"{UNET}out.2.bias": (4,), "cond_stage_model.model.x": (1,)}, "is Stable Diffusion 2,"),
    "sd3": ({f"{UNET}joint_blocks.0.x_block.attn.qkv.weight": (4, 4)}, "is Stable Diffusion 3"),
    "flux": ({"double_blocks.0.img_attn.qkv.weight": (4, 4)}, "is Flux"),
    "control": ({"control_model.input_blocks.0.0.weight": (4, 4, 3, 3)}, "is a ControlNet"),
    "embedding": ({"clip_l": (2, 768), "clip_g": (2, 1280)}, "is an embedding"),
    "vae": ({"decoder.conv_in.weight": (4, 4, 3, 3)}, "is a VAE by itself"),
    "unet": ({"down_blocks.0.resnets.0.conv1.weight": (4, 4, 3, 3)}, "is a unet by itself"),
    "pruned": ({f"{UNET}out.2.bias": (4,)}, "without both text encoders"),
    "refiner": ({f"{UNET}out.2.bias": (4,), "conditioner.embedders.0.model.ln_final.bias": (8,)}, "refiner"),
    "other": ({"something": (1,)}, "no model that loratui knows"),
}


@pytest.mark.parametrize("kind", WRONG)
def test_what_is_no_sdxl_is_refused_with_what_it_is(kind: str, tmp_path: Path) -> None:
    shapes, said = WRONG[kind]
    path = tmp_path / f"{kind}.safetensors"
    save_file({name: torch.zeros(shape, dtype=torch.float16) for name, shape in shapes.items()}, path)
    with pytest.raises(NotSDXL, match=said) as caught:
        inspect_base(str(path))
    assert str(path) in str(caught.value)


def test_relatives_of_sdxl_are_refused_by_their_sizes(tmp_path: Path, checkpoint: Path) -> None:
    tensors = load_file(checkpoint)
    wide = tmp_path / "inpaint.safetensors"
    save_file(tensors | {f"{UNET}input_blocks.0.0.weight": torch.zeros(48, 9, 3, 3)}, wide)
    with pytest.raises(NotSDXL, match="an inpainting model"):
        inspect_base(str(wide))
    # without the folder beside it the small one is held against SDXL itself
    alone = tmp_path / "alone.safetensors"
    save_file(tensors, alone)
    with pytest.raises(NotSDXL, match="where 70, 320 and 2048 are expected") as caught:
        inspect_base(str(alone))
    assert "alone/unet/config.json" in str(caught.value)
    coarse = tmp_path / "coarse.safetensors"
    save_file({name: one.to(torch.float8_e4m3fn) for name, one in tensors.items()}, coarse)
    with pytest.raises(NotSDXL, match="F8_E4M3 numbers"):
        inspect_base(str(coarse))


def test_what_a_whole_file_has_beside_sdxl_is_passed_over_with_a_note(tmp_path: Path, pictures: Path) -> None:
    extra = {f"{UNET}input_blocks.1.0.surprise.weight": ONE, "lora_unet_left.lora_down.weight": ONE.clone()}
    extra |= {f"{UNET}input_blocks.1.0.emb_layers.9.weight": ONE.clone(), "model_ema.decay": ONE.clone()}
    path = write_small(tmp_path / "odd.safetensors", extra)
    config = make_config(pictures, model__base=str(path))
    assert refusals(config) == [] and set(inspect_base(str(path)).beside) == set(extra) - {"model_ema.decay"}
    assert any("3 tensors that SDXL does not have, such as lora_unet_left" in one for one in advice(config))
    assert weights_digest(load_parts(config, CPU).unet) == weights_digest(load_parts(make_config(pictures), CPU).unet)
    # what is missing stops it, before anything is loaded
    lost = write_small(tmp_path / "lost.safetensors", left_out=[f"{UNET}out.2.bias"])
    (sentence,) = refusals(make_config(pictures, model__base=str(lost)))
    assert "its unet does not fit its configuration: 1 of its 410 tensors missing, such as conv_out.bias" in sentence


class Bomb:
    """Opening it would write a file."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> Any:
        return Path.touch, (self.target,)


@pytest.mark.parametrize("name", ["model.ckpt", "model.safetensors", "model.pt"])
def test_a_pickle_is_never_opened_whatever_it_is_called(name: str, tmp_path: Path) -> None:
    path, target = tmp_path / name, tmp_path / "ran"
    path.write_bytes(pickle.dumps(Bomb(target)))
    with pytest.raises(NotSDXL, match=r"is a pickle.*take the \.safetensors"):
        inspect_base(str(path))
    assert not target.exists()


def test_a_damaged_file_is_refused_before_anything_is_loaded(tmp_path: Path, checkpoint: Path) -> None:
    whole = checkpoint.read_bytes()
    path = tmp_path / "cut.safetensors"
    for data, said in (
        (whole[:-1], "cut short"),
        (b"\xff" * 64, "not a safetensors file"),
        (b"", "it is empty"),
        (b"GGUF", "GGUF"),
    ):
        path.write_bytes(data)
        with pytest.raises(BadCheckpoint, match=said):
            read_checkpoint(path)
