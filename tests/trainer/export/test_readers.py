"""What the programs make of the files: the formulas of each on the real layers, the base weight W included."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from peft import LoraConfig
from safetensors import safe_open
from safetensors.torch import load_file

from tests.trainer.conftest import make_config, make_run
from tests.trainer.model.test_adapters import small_unet
from trainer.checkpoints.snapshot import Snapshot, check_identity, load_checkpoint, save_checkpoint
from trainer.contract.run.changes import changes_between, refusals_of
from trainer.contract.settings.config import TrainConfig, load_config
from trainer.export import readers
from trainer.export.files import write_diffusers, write_kohya
from trainer.export.header import Told
from trainer.export.proof import ExportMismatch, _compare, _core, prove_kohya
from trainer.export.readers import FileLayer
from trainer.model.adapters import LoraLinear, add_lora
from trainer.step.trainee import run_identity


def trained(own: TrainConfig) -> dict[str, LoraLinear]:
    """Layers of the small unet as after a training that moved directions and lengths."""
    layers = add_lora(small_unet(), own)
    start = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for layer in layers.values():
            layer.up.normal_(std=0.05, generator=start)
            layer.magnitude.mul_(1 + 0.1 * torch.rand(layer.magnitude.shape, generator=start))
    return layers


def off(found: torch.Tensor, layer: LoraLinear) -> float:
    """How far a change is from the trained one, relative to it."""
    return float((found - layer.change()).norm() / layer.change().norm())


@pytest.mark.slow
def test_along_the_input_axis_every_user_interface_makes_what_was_trained(
    settings: Callable[..., TrainConfig], tmp_path: Path
) -> None:
    own = settings(train__dora=True, train__alpha=2.0, export__precision="fp32")
    layers, path = trained(own), tmp_path / "a.safetensors"
    write_kohya(path, own, layers, Told((), 1), 1)
    tensors = load_file(path)
    keys = {one.partition(".")[0] for one in tensors}
    assert len(keys) == len(layers)
    for key in keys:
        assert tensors[f"{key}.dora_scale"].shape == (1, tensors[f"{key}.lora_down.weight"].shape[1])
        assert float(tensors[f"{key}.alpha"]) == 4  # the rank: SD.Next of before scales last
    with safe_open(path, "pt") as file:
        header = file.metadata()
    assert header["ss_network_module"] == "lycoris.kohya"
    assert json.loads(header["ss_network_args"]) == {"algo": "lora", "dora_wd": "True", "wd_on_output": "False"}
    layer = next(iter(layers.values()))
    weight, scale = layer.base.weight.float(), layer.scale
    written = FileLayer(layer.down.detach(), layer.up.detach() * scale, 4, layer.magnitude.detach())
    assert all(off(one(weight, written), layer) < 1e-4 for one in readers.INTERFACES_DORA.values())
    assert off(readers.kohya(weight, written), layer) > 0.2
    unfolded = FileLayer(layer.down.detach(), layer.up.detach(), 2, layer.magnitude.detach())
    assert max(off(one(weight, unfolded), layer) for one in (readers.a1111, readers.sdnext)) < 1e-4
    assert off(readers.sdnext_of_before(weight, unfolded), layer) > 0.1
    with pytest.raises(ExportMismatch, match="diffusers and PEFT would make another weight"):
        write_diffusers(tmp_path / "b.safetensors", layers, torch.float32)


def test_the_file_that_was_written_along_the_output_axis_is_refused(
    settings: Callable[..., TrainConfig], tmp_path: Path
) -> None:
    own = settings(train__dora=True, train__dora_axis="output", export__precision="fp32")
    layers, path = trained(own), tmp_path / "a.safetensors"
    with pytest.raises(ExportMismatch, match="ComfyUI and Forge would make another weight"):
        write_kohya(path, own, layers, Told((), 1), 1)
    with pytest.raises(ExportMismatch, match="ComfyUI and Forge would make another weight"):
        prove_kohya(path, layers, 1)
    layer = next(iter(layers.values()))
    written = FileLayer(layer.down.detach(), layer.up.detach(), 4, layer.magnitude.detach().unsqueeze(1))
    weight = layer.base.weight.float()
    assert off(readers.peft(weight, written), layer) < 1e-4
    right = {name for name, one in readers.INTERFACES.items() if off(one(weight, written), layer) < 0.05}
    assert right == {"SD.Next"}  # which tells the axis by the shape
    write_diffusers(tmp_path / "b.safetensors", layers, torch.float16)
    lengths = [one for name, one in load_file(tmp_path / "b.safetensors").items() if "magnitude" in name]
    assert {one.dtype for one in lengths} == {torch.float32}


def test_the_formula_for_peft_is_the_installed_one() -> None:
    unet = small_unet()
    unet.add_adapter(LoraConfig(r=4, lora_alpha=4, target_modules=["attn1.to_q"], use_dora=True))
    for _, one in unet.named_modules():
        if not hasattr(one, "lora_magnitude_vector"):
            continue
        with torch.no_grad():
            one.lora_B["default"].weight.normal_(std=0.1)
            one.lora_magnitude_vector["default"].weight.mul_(1.2)
        lengths = one.lora_magnitude_vector["default"].weight.detach()
        written = FileLayer(one.lora_A["default"].weight.detach(), one.lora_B["default"].weight.detach(), 4, lengths)
        weight = one.base_layer.weight.detach().clone()
        found = readers.peft(weight, written)
        one.merge()
        assert torch.allclose(weight + found, one.base_layer.weight, atol=1e-5)


def test_a_dora_of_before_the_setting_lies_along_the_output_axis(pictures: Path, tmp_path: Path) -> None:
    own = make_config(pictures, train__dora=True, train__dora_axis="output")
    run = make_run(tmp_path / "run", own)
    run.config.write_text(run.config.read_text().replace('dora_axis = "output"\n', ""))
    assert "dora_axis" not in run.config.read_text()
    config = load_config(run.config)
    assert config == own
    identity = run_identity(config, (), (), {})
    old = json.loads(json.dumps(identity))
    del old["settings"]["train.dora_axis"]
    save_checkpoint(run, Snapshot(1, {}, {}, {}, old))
    assert load_checkpoint(run.checkpoint(1)).identity == identity
    asked = make_config(pictures, train__dora=True)
    assert asked.train.dora_axis == "input"
    assert refusals_of(config, asked, 1) == [
        'train.dora_axis: the checkpoint of step 1 was trained with "output", but "input" is asked for: '
        "the lengths that were trained lie along it"
    ]
    plain, other = make_config(pictures), make_config(pictures, train__dora_axis="output")
    assert run_identity(plain, (), (), {}) == run_identity(other, (), (), {})
    assert changes_between(plain, other) and not refusals_of(plain, other, 1)
    saved = Snapshot(1, {}, {}, {}, json.loads(json.dumps(run_identity(plain, (), (), {}))))
    check_identity(saved, run_identity(other, (), (), {}))  # without a DoRA its axis is no difference


@pytest.mark.parametrize("kernel", [(), (3, 3)])
def test_without_dora_a_reader_is_as_far_off_on_few_numbers_as_on_all(kernel: tuple[int, ...]) -> None:
    """The proof compares in the bases of a layer's own columns and rows: a wrong formula is as wrong there."""
    start = torch.Generator().manual_seed(0)
    down, up = torch.randn(4, 40, *kernel, generator=start), torch.randn(30, 4, *(1 for _ in kernel), generator=start)
    written = FileLayer(down, up, 2.0, None)
    core, nothing = _core(written)
    assert nothing.shape == (4, 4)
    whole = torch.zeros(30, down[0].numel())
    meant, small = (one.scale * one.product() for one in (written, core))
    assert small.norm() == pytest.approx(float(meant.norm()), rel=1e-5)
    forgets_alpha = readers.peft
    assert forgets_alpha not in readers.INTERFACES.values()
    for reader in (*readers.INTERFACES.values(), forgets_alpha):
        wrong, same = (reader(whole, written) - meant).norm(), (reader(nothing, core) - small).norm()
        assert float(same / small.norm()) == pytest.approx(float(wrong / meant.norm()), rel=1e-4, abs=1e-6)
        assert bool(same > 0.1 * small.norm()) == (reader is forgets_alpha)


@pytest.mark.parametrize(("side", "left"), [("up", 64), ("up", 576), ("up", 65), ("down", 64), ("down", 65)])
def test_a_file_that_lacks_rows_or_columns_is_no_proof(side: str, left: int, tmp_path: Path) -> None:
    layer = LoraLinear(torch.nn.Linear(640, 640, bias=False), 4, 4, torch.Generator().manual_seed(0))
    with torch.no_grad():
        layer.up.normal_(generator=torch.Generator().manual_seed(1))
    down, up = layer.down.detach(), layer.up.detach()
    whole = FileLayer(down, up, 4, None)
    cut = FileLayer(down, up[:left], 4, None) if side == "up" else FileLayer(down[:, :left], up, 4, None)
    for known in (readers.INTERFACES, readers.LIBRARIES):
        _compare(tmp_path, "layer", layer, whole, known)
        with pytest.raises(ExportMismatch, match="the weight change of layer is not the model's"):
            _compare(tmp_path, "layer", layer, cut, known)
