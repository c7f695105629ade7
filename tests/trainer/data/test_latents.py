"""Latents that were kept are used only for the very pixels, cut and VAE that they were made from."""

from __future__ import annotations

import copy
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKL
from PIL import Image
from safetensors.torch import load, save

from tests.trainer.conftest import make_config
from trainer.contract.basemodel.inspect import small_model
from trainer.data import latents
from trainer.data.dataset import View, geometry, read_dataset
from trainer.data.latents import LatentCache
from trainer.model.parts import load_parts
from trainer.samples.drawing import decode

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def vae() -> Any:
    return AutoencoderKL.from_pretrained(small_model(), subfolder="vae")


def draw(folder: Path, seed: int) -> None:
    """A picture of always the same size in bytes and time of change."""
    folder.mkdir(exist_ok=True)
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (96, 96, 3), np.uint8)).save(folder / "a.bmp")
    os.utime(folder / "a.bmp", (1_700_000_000, 1_700_000_000))


def view(folder: Path, side: int = 64) -> View:
    item = read_dataset(make_config(folder))[0]
    return View(item, geometry(item, (side, side), None, False), 1, 0)


def opened(place: Path, vae: Any, background: str = "#ffffff", digest: str = "one") -> LatentCache:
    cache = LatentCache(place, background)
    cache.use(vae, CPU, digest)
    return cache


def test_another_content_of_the_same_size_and_time_is_encoded_anew(tmp_path: Path, vae: Any) -> None:
    draw(tmp_path / "set", 1)
    first = opened(tmp_path / "cache", vae).get(view(tmp_path / "set"))["mean"]
    draw(tmp_path / "set", 2)
    second = opened(tmp_path / "cache", vae).get(view(tmp_path / "set"))["mean"]
    assert torch.equal(second, opened(tmp_path / "empty", vae).get(view(tmp_path / "set"))["mean"])
    assert not torch.equal(first, second)


def test_all_that_decides_the_latents_is_in_the_key(tmp_path: Path, vae: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    draw(tmp_path / "set", 1)
    place, one = tmp_path / "cache", view(tmp_path / "set")
    keys = [opened(place, vae).key(one), opened(place, vae).key(view(tmp_path / "set", 32))]
    keys += [opened(place, vae, "#000000").key(one), opened(place, vae, digest="another VAE").key(one)]
    assert opened(place, vae).key(one) == keys[0]
    keys.append(opened(place, copy.deepcopy(vae).to(torch.bfloat16)).key(one))  # in another precision
    monkeypatch.setattr(latents, "RULE", latents.RULE + 1)  # other pixels come of the same file
    keys.append(opened(place, vae).key(one))
    assert len(set(keys)) == len(keys)


def kept_by(folder: Path, **own: Any) -> tuple[torch.Tensor, Any]:
    """The mean that a run with these settings keeps of the only picture, and the VAE that it has."""
    found = load_parts(make_config(folder, **own), CPU).vae
    return opened(folder.parent / "-".join(map(str, own.values())), found).get(view(folder))["mean"], found


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_whatever_a_run_trains_in_its_pictures_are_encoded_in_fp32(tmp_path: Path, precision: str) -> None:
    """Bit-equal to those of a run in fp32; where half is asked for they are off, the same way in every epoch."""
    draw(tmp_path / "set", 1)
    full, _ = kept_by(tmp_path / "set", train__precision="fp32")
    half, _ = kept_by(tmp_path / "set", train__precision=precision)
    assert torch.equal(half, full)
    rough, _ = kept_by(tmp_path / "set", train__precision=precision, model__vae_precision="training")
    assert (rough - full).norm() / full.norm() > 1e-4


def test_samples_are_decoded_in_the_precision_of_the_training_unless_fp32_is_asked_for(tmp_path: Path) -> None:
    draw(tmp_path / "set", 1)
    latents = torch.zeros(1, 4, 8, 8)
    for own, dtype in (("auto", torch.bfloat16), ("fp32", torch.float32), ("training", torch.bfloat16)):
        mean, vae = kept_by(tmp_path / "set", train__precision="bf16", model__vae_precision=own)
        assert mean.dtype == torch.float32 and decode(vae, latents).dtype == dtype


def test_kept_latents_that_are_not_finite_are_encoded_anew(tmp_path: Path, vae: Any) -> None:
    """As those of any other damaged file: a later run would meet them again."""
    draw(tmp_path / "set", 1)
    one, wanted = view(tmp_path / "set"), opened(tmp_path / "cache", vae).get(view(tmp_path / "set"))
    (file,) = (tmp_path / "cache").glob("*.safetensors")
    for part, number in (("mean", float("nan")), ("std", float("inf"))):
        damaged = {name: values.clone() for name, values in wanted.items()}
        damaged[part][0, 0, 0] = number
        file.write_bytes(save(damaged))
        found = opened(tmp_path / "cache", vae).get(one)
        assert all(torch.equal(found[name], wanted[name]) for name in wanted)
        assert torch.equal(load(file.read_bytes())[part], wanted[part])
