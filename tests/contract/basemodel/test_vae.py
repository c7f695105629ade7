"""A VAE in place of the base model's own: one file as user interfaces have it, a folder, or what is none."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.contract.basemodel.folders import POINTER
from tests.trainer.checkpoints import small_parts, to_checkpoint
from tests.trainer.conftest import make_config
from trainer.contract.basemodel.digests import base_digests
from trainer.contract.basemodel.inspect import small_model
from trainer.contract.plan.advice import refusals
from trainer.ground.digests import weights_digest
from trainer.model.parts import load_parts

OUTER = "first_stage_model."


@pytest.fixture(scope="module")
def stability() -> dict[str, torch.Tensor]:
    """The small VAE by Stability's names, without what stands before them."""
    found = to_checkpoint(small_parts(), per_block=1)
    return {name.removeprefix(OUTER): one.contiguous() for name, one in found.items() if name.startswith(OUTER)}


def write(kind: str, stability: dict[str, torch.Tensor], path: Path) -> Path:
    """The small VAE as `kind` of file."""
    match kind:
        case "stability":
            save_file(stability, path)
        case "outer name":
            save_file({OUTER + name: one for name, one in stability.items()}, path)
        case _:
            shutil.copy(small_model() / "vae" / "diffusion_pytorch_model.safetensors", path)
    return path


@pytest.mark.parametrize("kind", ["stability", "outer name", "diffusers"])
def test_a_vae_in_one_file_is_the_folders(kind: str, stability: dict[str, torch.Tensor], tmp_path: Path) -> None:
    path = write(kind, stability, tmp_path / "sdxl_vae.safetensors")
    base = str(small_model())  # whose VAE is the very file
    own, shipped = (
        make_config(tmp_path, model__base=base, model__vae=str(path)),
        make_config(tmp_path, model__base=base),
    )
    assert refusals(own) == []
    vae, expected = (load_parts(one, torch.device("cpu")).vae for one in (own, shipped))
    assert weights_digest(vae) == weights_digest(expected) and dict(vae.config).keys() == dict(expected.config).keys()
    assert vae.config.scaling_factor == expected.config.scaling_factor
    # what caches and resumes know it by is of the file
    before = base_digests(own)["vae"]
    assert (before == base_digests(shipped)["vae"]) == (kind == "diffusers")  # the very file, called otherwise
    path.write_bytes(path.read_bytes()[:-4] + b"\1\2\3\4")
    assert base_digests(own)["vae"] != before


def test_what_is_no_vae_is_said(stability: dict[str, torch.Tensor], tmp_path: Path) -> None:
    whole = small_model() / "vae"
    bare = tmp_path / "bare"
    bare.mkdir()
    shutil.copy(whole / "diffusion_pytorch_model.safetensors", bare)
    pointer = shutil.copytree(whole, tmp_path / "pointer")
    (pointer / "diffusion_pytorch_model.safetensors").write_text(POINTER)
    cut = shutil.copytree(whole, tmp_path / "cut")
    (cut / "diffusion_pytorch_model.safetensors").unlink()
    files = {
        "flux": stability | {"decoder.conv_in.weight": torch.zeros(64, 16, 3, 3)},
        "half": {name: one for name, one in stability.items() if not name.startswith("decoder.mid")},
        "lora": {"lora_unet_x.lora_down.weight": torch.zeros(4, 4)},
        "coarse": {name: one.to(torch.float8_e4m3fn) for name, one in stability.items()},
    }
    for name, tensors in files.items():
        save_file(tensors, tmp_path / f"{name}.safetensors")
    (tmp_path / "old.vae.pt").write_bytes(b"PK\3\4")
    for given, said in (
        ("/nowhere/vae", "there is no VAE '/nowhere/vae': nothing is there"),
        ("vae.safetensors", "neither a folder nor a .safetensors file here"),
        ("https://huggingface.co/owner/vae", "write 'owner/vae'"),
        (str(tmp_path), "has no config.json"),
        (str(bare), f"give the file itself: '{bare / 'diffusion_pytorch_model.safetensors'}'"),
        (str(small_model()), f"give the folder of its VAE: '{whole}'"),
        (str(small_model() / "unet"), "is a UNet2DConditionModel, not an AutoencoderKL"),
        (str(pointer), "git lfs pull"),
        (str(cut), "diffusion_pytorch_model.safetensors missing"),
        (str(tmp_path / "flux.safetensors"), "has 16 latent channels in place of 4"),
        (str(tmp_path / "half.safetensors"), "tensors missing"),
        (str(tmp_path / "lora.safetensors"), "is a LoRA"),
        (str(tmp_path / "coarse.safetensors"), "too coarse"),
        (str(tmp_path / "old.vae.pt"), "is a pickle"),
    ):
        (sentence,) = refusals(make_config(tmp_path, model__vae=given))
        assert sentence.startswith("model.vae: ") and said in sentence, sentence
        assert "configs" not in sentence  # nothing of the program's own places


def test_a_vae_of_another_family_beside_sdxl_is_told_by_its_latents(tmp_path: Path) -> None:
    folder = shutil.copytree(small_model() / "vae", tmp_path / "vae")
    # the small one halves the picture twice, SDXL's three times
    (sentence,) = refusals(make_config(tmp_path, model__base="owner/name", model__vae=str(folder)))
    assert "the VAE of another family: it has 3 levels, the base model's has 4" in sentence
    assert load_file(folder / "diffusion_pytorch_model.safetensors")
