"""Scales, ranks of blocks and convolutions: beside PEFT's own injection of the same configuration."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from diffusers import StableDiffusionXLPipeline, UNet2DConditionModel
from peft import LoraConfig
from torch import nn
from torch.nn import functional

from tests.trainer.conftest import real_shape_file
from tests.trainer.model.test_adapters import inputs, small_unet
from trainer.contract.basemodel.inspect import inspect_base, small_model
from trainer.contract.basemodel.layers import conv_paths
from trainer.contract.basemodel.sgm import PREFIXES
from trainer.contract.basemodel.unet_names import SDXL_UNET
from trainer.contract.documents.files import shipped_json
from trainer.contract.loras.keys import kohya_key
from trainer.contract.plan.advice import refusals
from trainer.contract.plan.estimate import estimate
from trainer.contract.settings.adapter import Adapter
from trainer.contract.settings.config import SMALL, TrainConfig, nested
from trainer.export.files import write_diffusers, write_kohya
from trainer.export.header import Told
from trainer.ground.tensor_files import load_tensors
from trainer.model.adapters import LoraLinear, add_lora
from trainer.model.convolutions import add_convolutions

PATTERNS = {
    "train__alpha": 2.0,
    "adapter__rslora": True,
    "adapter__ranks": ["attn2=2", "up_blocks.0.attentions.0=8"],
    "adapter__alphas": ["to_q=3"],
    "adapter__conv_rank": 3,
    "adapter__conv_alpha": 6.0,
}


def trained(unet: nn.Module, config: TrainConfig) -> dict[str, LoraLinear]:
    """Layers that do something."""
    layers, start = add_lora(unet, config) | add_convolutions(unet, config), torch.Generator().manual_seed(1)
    with torch.no_grad():
        for layer in layers.values():
            layer.up.normal_(std=0.05, generator=start)
    return layers


def test_the_unet_with_ranks_of_blocks_and_convolutions_is_pefts(settings: Callable[..., TrainConfig]) -> None:
    ours, theirs = small_unet(), small_unet()
    layers = trained(ours, settings(**PATTERNS))
    ranks = {path: len(layer.down) for path, layer in layers.items()}
    alphas = {
        path: 6.0 if layer.down.dim() == 4 else 3.0 if path.endswith("to_q") else 2.0 for path, layer in layers.items()
    }
    own = LoraConfig(
        r=4, target_modules=list(layers), use_rslora=True, rank_pattern=dict(ranks), alpha_pattern=dict(alphas)
    )
    theirs.add_adapter(own)
    expected = {2: "attn2", 8: "up_blocks.0.attentions.0", 3: ".conv"}
    assert all(expected[rank] in path for path, rank in ranks.items() if rank != 4) and set(ranks.values()) == {
        2,
        3,
        4,
        8,
    }
    with torch.no_grad():
        for path, layer in layers.items():
            other = theirs.get_submodule(path)
            assert layer.scale == pytest.approx(other.scaling["default"], rel=1e-12)
            other.lora_A["default"].weight.copy_(layer.down)
            other.lora_B["default"].weight.copy_(layer.up)
    found, wanted = ours(**inputs(ours)).sample, theirs(**inputs(theirs)).sample
    torch.testing.assert_close(found, wanted, atol=2e-5, rtol=1e-4)
    found.square().sum().backward()
    wanted.square().sum().backward()
    for path, layer in layers.items():
        other = theirs.get_submodule(path).lora_A["default"].weight.grad
        torch.testing.assert_close(layer.down.grad, other, rtol=1e-2, atol=1e-3 * float(other.abs().max()))


def test_a_file_of_kohyas_names_has_the_change_of_each_convolution(
    settings: Callable[..., TrainConfig], tmp_path: object
) -> None:
    """Rebuilt as kohya's scripts merge it: up over down's channels, times alpha / rank; and named as SGM names it."""
    unet, config = small_unet(), settings(**PATTERNS)
    layers, path = trained(unet, config), tmp_path / "a.safetensors"  # type: ignore[operator]
    write_kohya(path, config, layers, Told((), 1), 1)
    tensors = load_tensors(path)
    single = real_shape_file(tmp_path / "single.safetensors")  # type: ignore[operator]
    sgm = {name.removeprefix(PREFIXES["unet"]) for name in load_tensors(single)}
    for name, layer in layers.items():
        key = kohya_key(name, 1)
        down, up = (tensors[f"{key}.lora_{side}.weight"].float() for side in ("down", "up"))
        scale = float(tensors[f"{key}.alpha"]) / len(down)
        if layer.down.dim() == 2:
            change = scale * up @ down
            x = torch.randn(3, down.shape[1])
            moved = functional.linear(x, layer.base.weight + change, layer.base.bias)
        else:
            assert f"{key.removeprefix('lora_unet_')}" in {one.replace(".", "_").removesuffix("_weight") for one in sgm}
            change = functional.conv2d(down.permute(1, 0, 2, 3), up).permute(1, 0, 2, 3) * scale
            x, base = torch.randn(2, down.shape[1], 8, 8), layer.base
            moved = functional.conv2d(x, base.weight + change, base.bias, base.stride, base.padding)
        torch.testing.assert_close(moved, layer(x), atol=2e-2, rtol=2e-2)  # bf16 in the file


@pytest.mark.slow
def test_diffusers_reads_several_ranks_and_convolutions(settings: Callable[..., TrainConfig], tmp_path: object) -> None:
    unet = small_unet()
    layers, path = trained(unet, settings(**PATTERNS)), tmp_path / "pytorch_lora_weights.safetensors"  # type: ignore[operator]
    write_diffusers(path, layers, torch.float32)
    pipe = StableDiffusionXLPipeline.from_pretrained(small_model())
    plain = pipe.unet(**inputs(unet)).sample
    pipe.load_lora_weights(str(path))
    found, wanted = pipe.unet(**inputs(unet)).sample, unet(**inputs(unet)).sample
    torch.testing.assert_close(found, wanted, atol=2e-5, rtol=1e-4)
    assert not torch.allclose(plain, wanted, atol=1e-3)


def test_the_plan_counts_what_is_trained(settings: Callable[..., TrainConfig]) -> None:
    own = settings(model__base=SMALL, **PATTERNS)
    layers = trained(small_unet(), own)
    assert estimate(own, 5).lora_parameters == sum(
        one.numel() for layer in layers.values() for one in layer.trained().values()
    )


def test_sdxl_has_49_convolutions_of_which_each_has_a_name_of_its_own() -> None:
    with torch.device("meta"):
        unet = UNet2DConditionModel.from_config(shipped_json(SDXL_UNET))
    paths = conv_paths(name for name, _ in unet.named_modules())
    keys = {kohya_key(path) for path in paths}
    assert len(paths) == len(keys) == 49
    assert {
        "lora_unet_input_blocks_3_0_op",
        "lora_unet_output_blocks_5_2_conv",
        "lora_unet_middle_block_2_in_layers_2",
    } < keys
    found = TrainConfig.model_validate(nested({"adapter.conv_rank": 8, "train.targets": "attention"}))
    expected = sum(8 * (m.out_channels + m.weight[0].numel()) for p in paths for m in [unet.get_submodule(p)])
    plain = TrainConfig.model_validate(nested({"train.targets": "attention"}))
    assert estimate(found, 5).lora_parameters - estimate(plain, 5).lora_parameters == pytest.approx(expected, abs=10)


def test_what_cannot_be_is_refused_with_what_to_do() -> None:
    def said(**own: object) -> list[str]:
        values = {key.replace("__", "."): value for key, value in own.items()} | {"model.base": SMALL}
        return refusals(TrainConfig.model_validate(nested(values)))

    assert said(adapter__ranks=["attn2=8"]) == []
    (one,) = said(adapter__ranks=["up_blocks.7=8"])
    assert "no layer that is trained has 'up_blocks.7'" in one
    (one,) = said(adapter__conv_rank=4, train__dora=True)
    assert one.startswith("adapter.conv_rank") and "set one of them" in one
    for wrong in ("attn2", "attn2=", "attn2=-1", "=4", "attn2=x"):
        with pytest.raises(ValueError, match="NAME=NUMBER"):
            Adapter(ranks=(wrong,))
    with pytest.raises(ValueError, match="not a rank"):
        Adapter(ranks=("attn2=1.5",))
    assert inspect_base(SMALL) is not None
