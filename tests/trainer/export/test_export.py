"""The files: they hold what was trained, under the names that other programs know, and work as the card says."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionXLPipeline
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from tests.bench.activations import Alive
from tests.hostname import names_the_host
from tests.trainer.conftest import make_config, make_run, train
from tests.trainer.model.test_adapters import small_unet
from tests.warm.client import WARM_CODE
from trainer.contract.basemodel.inspect import small_model
from trainer.contract.run import exits
from trainer.contract.run.exports import DIFFUSERS, lora_files
from trainer.contract.run.rundir import RunDir
from trainer.contract.settings.config import TrainConfig
from trainer.export.__main__ import main
from trainer.export.header import Told
from trainer.export.proof import ExportMismatch, prove_diffusers, prove_kohya
from trainer.export.trained import find_checkpoint
from trainer.model.adapters import add_lora


@pytest.fixture(scope="module")
def exported(pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> RunDir:
    """A run whose LoRA has moved enough to be seen."""
    # of the shipped model the card's snippet knows where it lies on any machine
    own = {"model__base": str(small_model()), "train__checkpoint_every": 6, "sample__at_start": True}
    config = make_config(pictures, train__steps=12, prodigy__d0=1e-3, sample__steps=6, **own)
    run = make_run(tmp_path_factory.mktemp("run"), config)
    train(run)
    return run


@pytest.mark.slow
def test_the_snippet_of_the_card_makes_the_last_picture_of_the_run(exported: RunDir, tmp_path: Path) -> None:
    card = (exported.export / "README.md").read_text()
    code = re.search(r"```python\n(.*?)```", card, re.S)[1]
    out = tmp_path / "as a person has it"
    shutil.copytree(exported.export, out)
    code = f"{WARM_CODE}\n{code}"
    done = subprocess.run([sys.executable, "-c", code], cwd=out, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = np.asarray(Image.open(out / "picture.png")).astype(int)
    last = np.asarray(Image.open(exported.sample(12, 0))).astype(int)
    first = np.asarray(Image.open(exported.sample(0, 0))).astype(int)
    assert np.abs(found - last).max() <= 1  # rounding of one level
    assert np.abs(found - first).mean() > 2  # and the files matter


@pytest.mark.slow
def test_the_files_are_made_again_from_the_checkpoint_alone(exported: RunDir, tmp_path: Path) -> None:
    """To the bit, and without SDXL's weights or the optimizer's state: less is there at once than the unet alone."""
    again = tmp_path / "again"
    with Alive() as seen:
        assert main([str(exported.path), "--out", str(again)]) == 0
    made = {path.name: path.read_bytes() for path in sorted(again.glob("*.safetensors"))}
    assert len(made) == len(list(exported.export.glob("*.safetensors"))) > 1
    assert all((exported.export / name).read_bytes() == data for name, data in made.items())
    unet = sum(path.stat().st_size for path in (small_model() / "unet").glob("*.safetensors"))
    assert 0 < seen.peak < unet  # as its file has it, in half precision
    assert find_checkpoint(exported, None).optimizer is None


@pytest.mark.slow
def test_diffusers_loads_the_lora_without_a_warning(exported: RunDir) -> None:
    code = (
        f"{WARM_CODE}\n"
        "import logging, sys; from diffusers import StableDiffusionXLPipeline as P\n"
        f"pipe = P.from_pretrained({str(small_model())!r})\n"
        "print('LOADED', file=sys.stderr)\n"
        f"pipe.load_lora_weights({str(exported.export)!r}, weight_name={DIFFUSERS!r})\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    said = done.stderr.split("LOADED")[1].strip().splitlines()
    # diffusers says this of every LoRA that has no part for the text encoders, its own ones too
    assert [line for line in said if not line.startswith("No LoRA keys associated to CLIPText")] == []


@pytest.mark.slow
def test_generate_uses_the_files(exported: RunDir, tmp_path: Path) -> None:
    out = tmp_path / "new folder" / "a.png"
    command = [sys.executable, "-m", "trainer.samples.generate", str(exported.path), "a TOK star", "--out", str(out)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert out.read_bytes() == exported.sample(12, 0).read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["toy.safetensors", "toy_emb.safetensors"])
def test_files_that_are_damaged_or_of_another_run_are_refused_by_their_name(
    exported: RunDir, tmp_path: Path, name: str
) -> None:
    shutil.copytree(exported.path, tmp_path / "run")
    path = RunDir(tmp_path / "run").export / name
    command = [sys.executable, "-m", "trainer.samples.generate", str(tmp_path / "run"), "a TOK star"]
    others = tmp_path / "others.safetensors"
    save_file({key: one[..., :1].contiguous() if one.dim() else one for key, one in load_file(path).items()}, others)
    for raw, said in ((path.read_bytes()[:200], "cannot be read"), (others.read_bytes(), "is not this run's")):
        path.write_bytes(raw)
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == exits.USAGE
        assert f"'{path.name}' {said}" in done.stderr and "Traceback" not in done.stderr


@pytest.mark.slow
def test_any_checkpoint_can_be_exported_anywhere(exported: RunDir, tmp_path: Path) -> None:
    out = tmp_path / "nested folder" / "größe"
    base = [sys.executable, "-m", "trainer.export", str(exported.path)]
    subprocess.run([*base, "--out", str(out)], check=True, capture_output=True)
    for name in ("toy.safetensors", "toy_emb.safetensors", "toy.json", "toy.png", DIFFUSERS):
        assert (out / name).read_bytes() == (exported.export / name).read_bytes()
    subprocess.run([*base, "--out", str(out), "--checkpoint", "6", "--bundle-emb"], check=True, capture_output=True)
    assert {"bundle_emb.toy_emb.clip_l", "bundle_emb.toy_emb.clip_g"} < set(load_file(out / "toy_bundle.safetensors"))
    assert (out / "toy.safetensors").read_bytes() != (exported.export / "toy.safetensors").read_bytes()


@pytest.mark.slow
def test_nothing_of_the_machine_is_in_the_files(exported: RunDir) -> None:
    home = str(Path.home())
    folders = [str(exported.path), str(small_model().parent), home + "/"]
    for path in (one for one in exported.export.rglob("*") if one.is_file()):
        raw = path.read_bytes()
        assert not [word for word in folders if word.encode() in raw], path.name
        assert not names_the_host(raw), path.name


@pytest.mark.slow
def test_the_header_says_how_it_was_trained(exported: RunDir) -> None:
    with safe_open(exported.export / "toy.safetensors", "pt") as file:
        header = file.metadata()
        dtypes = {file.get_tensor(name).dtype for name in file.keys()}  # noqa: SIM118 - no iteration in safe_open
    assert dtypes == {torch.float16}
    assert header["ss_base_model_version"] == "sdxl_base_v1-0"
    assert header["ss_network_module"] == "networks.lora"
    assert (header["ss_network_dim"], header["ss_network_alpha"]) == ("4", "4")
    assert header["modelspec.architecture"] == "stable-diffusion-xl-v1-base/lora"
    assert header["modelspec.trigger_phrase"] == "toy_emb"
    assert json.loads(header["ss_tag_frequency"])["toy"]["a toy_emb star"] == 1
    raw = (exported.export / "toy.safetensors").read_bytes()
    import hashlib

    start = 8 + int.from_bytes(raw[:8], "little")
    assert header["sshs_model_hash"] == hashlib.sha256(raw[start:]).hexdigest()


@pytest.mark.parametrize("dora", ["", "input", "output"])
@pytest.mark.parametrize("alpha", [0.0, 1.0, 16.0])
@pytest.mark.parametrize("precision", ["fp32", "fp16", "bf16"])
def test_a_file_that_does_not_hold_the_model_is_found_out(
    settings: Callable[..., TrainConfig], tmp_path: Path, alpha: float, precision: str, dora: str
) -> None:
    from trainer.export.files import write_diffusers, write_kohya
    from trainer.model.parts import DTYPES

    axis = dora or "input"
    own = settings(train__alpha=alpha, export__precision=precision, train__dora=bool(dora), train__dora_axis=axis)
    layers = add_lora(small_unet(), own)
    with torch.no_grad():
        for layer in layers.values():
            layer.up.normal_(std=0.02)
    files = {DIFFUSERS: prove_diffusers, "toy.safetensors": lambda p, all: prove_kohya(p, all, 1)}
    for name in (one.called("toy") for one in lora_files(own)):
        path, prove = tmp_path / name, files[name]
        if name == DIFFUSERS:
            write_diffusers(path, layers, DTYPES[precision])
        else:
            write_kohya(path, own, layers, Told((), 1), 1)
        tensors = load_file(path)
        names = [next(key for key in tensors if "up" in key.rsplit(".", 2)[-2])]
        names += [key for key in tensors if key.endswith(("dora_scale", "magnitude_vector"))][:1]
        assert len(names) == 1 + bool(dora)
        for name in names:
            changed = {key: one.clone() for key, one in tensors.items()}
            changed[name].view(-1)[changed[name].abs().argmax()] *= 1.1
            save_file(changed, path)
            with pytest.raises(ExportMismatch, match="is not the model's"):
                prove(path, layers)


@pytest.mark.slow
@pytest.mark.parametrize("dora", [False, True])
def test_the_pipeline_and_the_model_agree_on_another_scale(
    settings: Callable[..., TrainConfig], tmp_path: Path, dora: bool
) -> None:
    from tests.trainer.model.test_adapters import inputs
    from trainer.export.files import write_diffusers

    unet = small_unet()
    layers = add_lora(unet, settings(train__alpha=1.0, train__dora=dora, train__dora_axis="output"))
    with torch.no_grad():
        for layer in layers.values():
            layer.up.normal_(std=0.1, generator=torch.Generator().manual_seed(0))
            if dora:
                layer.magnitude.mul_(1.3)
    write_diffusers(tmp_path / DIFFUSERS, layers, torch.float32)
    pipe = StableDiffusionXLPipeline.from_pretrained(small_model())
    pipe.load_lora_weights(tmp_path, weight_name=DIFFUSERS)
    with torch.no_grad():
        assert torch.allclose(pipe.unet(**inputs(unet)).sample, unet(**inputs(unet)).sample, atol=1e-5)
