"""LoRA: equal to PEFT's to the bit, cheaper, on exactly the layers that SDXL has."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from diffusers import UNet2DConditionModel
from peft import LoraConfig
from torch import nn

from tests.trainer.step.test_optimizer import CountOps
from trainer.contract.basemodel.inspect import small_model
from trainer.contract.settings.config import TrainConfig
from trainer.model.adapters import DoraLinear, LoraLinear, UnknownBlock, add_lora, rounded_to, target_paths

CONFIGS = Path(__file__).parents[3] / "trainer" / "configs"


@pytest.fixture(scope="module")
def sdxl() -> nn.Module:
    """The full-size unet without weights."""
    with torch.device("meta"):
        return UNet2DConditionModel.from_config(json.loads((CONFIGS / "unet.json").read_text()))


def small_unet() -> nn.Module:
    return UNet2DConditionModel.from_pretrained(small_model(), subfolder="unet").requires_grad_(False)


def inputs(unet: nn.Module) -> dict:
    start, own = torch.Generator().manual_seed(0), unet.config
    side, pooled = own.sample_size, own.projection_class_embeddings_input_dim - 6 * own.addition_time_embed_dim
    return {
        "sample": torch.randn(2, 4, side, side, generator=start),
        "timestep": torch.tensor([10, 700]),
        "encoder_hidden_states": torch.randn(2, 77, own.cross_attention_dim, generator=start),
        "added_cond_kwargs": {
            "text_embeds": torch.randn(2, pooled, generator=start),
            "time_ids": torch.full((2, 6), 64.0),
        },
    }


def test_the_layers_are_those_of_sdxl(sdxl: nn.Module) -> None:
    assert len(target_paths(sdxl, "attention")) == 560
    assert len(target_paths(sdxl, "all-linear")) == 722
    style = target_paths(sdxl, "attention", ("up_blocks.0.attentions.1",))
    assert len(style) == 80
    assert all(path.startswith("up_blocks.0.attentions.1.") for path in style)


def test_a_block_is_a_whole_name_and_an_unknown_one_an_error(sdxl: nn.Module) -> None:
    with pytest.raises(UnknownBlock, match=r"'0\.attentions\.0'.*"):
        target_paths(sdxl, "attention", ("0.attentions.0",))
    with pytest.raises(UnknownBlock, match=r"did you mean 'up_blocks\.0\.attentions\.1'"):
        target_paths(sdxl, "attention", ("up_block.0.attentions.1",))


@pytest.mark.parametrize("dora", [False, True])
@pytest.mark.parametrize("alpha", [0.0, 2.0])
def test_forward_and_gradients_are_pefts(settings: Callable[..., TrainConfig], alpha: float, dora: bool) -> None:
    ours, theirs = small_unet(), small_unet()
    layers = add_lora(ours, settings(train__alpha=alpha, train__dora=dora, train__dora_axis="output"))
    targets = ["to_q", "to_k", "to_v", "to_out.0"]
    theirs.add_adapter(LoraConfig(r=4, lora_alpha=alpha or 4, target_modules=targets, use_dora=dora))
    parts = {
        path: (theirs.get_submodule(path).lora_A["default"], theirs.get_submodule(path).lora_B["default"])
        for path in layers
    }
    start = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for path, (down, up) in parts.items():
            layers[path].up.copy_(torch.randn(layers[path].up.shape, generator=start) / 10)
            down.weight.copy_(layers[path].down)
            up.weight.copy_(layers[path].up)
    found, expected = ours(**inputs(ours)).sample, theirs(**inputs(theirs)).sample
    assert torch.allclose(found, expected, atol=1e-5)
    if not alpha and not dora:
        assert torch.equal(found, expected)
    found.square().sum().backward()
    expected.square().sum().backward()
    for path, (down, up) in parts.items():
        for own, other in ((layers[path].down.grad, down.weight.grad), (layers[path].up.grad, up.weight.grad)):
            assert torch.allclose(own, other, rtol=1e-3, atol=1e-4 * float(other.abs().max()))
        if dora:
            own, other = (
                layers[path].magnitude.grad,
                theirs.get_submodule(path).lora_magnitude_vector["default"].weight.grad,
            )
            assert torch.allclose(own, other, rtol=1e-3, atol=1e-4 * float(other.abs().max()))


@pytest.mark.slow
def test_a_forward_pass_takes_fewer_operations_than_pefts(settings: Callable[..., TrainConfig]) -> None:
    ours, theirs, bare = small_unet(), small_unet(), small_unet()
    add_lora(ours, settings())
    theirs.add_adapter(LoraConfig(r=4, lora_alpha=4, target_modules=["to_q", "to_k", "to_v", "to_out.0"]))
    counts = []
    for unet in (bare, ours, theirs):
        with CountOps() as seen:
            unet(**inputs(unet))
        counts.append(len(seen.names))
    assert counts[0] < counts[1] < counts[2]


@pytest.mark.parametrize("dora", ["", "input", "output"])
def test_the_start_is_pefts_gaussian_and_changes_nothing(settings: Callable[..., TrainConfig], dora: str) -> None:
    unet = small_unet()
    before = unet(**inputs(unet)).sample
    axis = dora or "input"
    layers = add_lora(unet, settings(train__rank=16, train__dora=bool(dora), train__dora_axis=axis))
    assert torch.allclose(unet(**inputs(unet)).sample, before, atol=1e-5 if dora else 0)
    spread = torch.cat([one.down.detach().flatten() for one in layers.values()]).std()
    assert float(spread) == pytest.approx(1 / 16, rel=0.02)


@pytest.mark.parametrize("axis", ["input", "output"])
@pytest.mark.parametrize("bias", [False, True])
def test_a_dora_is_its_changed_weight_and_its_lengths_have_the_gradient_of_that(axis: str, bias: bool) -> None:
    start = torch.Generator().manual_seed(0)
    base = nn.Linear(6, 10, bias=bias)
    layer = DoraLinear(base, 4, 2.0, start, axis=axis)
    assert tuple(layer.magnitude.shape) == ((1, 6) if axis == "input" else (10,))
    with torch.no_grad():
        layer.up.normal_(std=0.3, generator=start)
        layer.magnitude.mul_(1.3)
    x = torch.randn(3, 6, generator=start)
    moved = base.weight.detach() + 0.5 * layer.up.detach() @ layer.down.detach()
    lengths = layer.magnitude.detach().clone().requires_grad_(True)
    dim = 0 if axis == "input" else 1
    weight = moved / moved.norm(dim=dim, keepdim=True) * (lengths if axis == "input" else lengths[:, None])
    expected = nn.functional.linear(x, weight, base.bias)
    assert torch.allclose(layer(x), expected, atol=1e-6)
    assert torch.allclose(base.weight + layer.change(), weight, atol=1e-6)
    layer(x).square().sum().backward()
    expected.square().sum().backward()
    assert torch.allclose(layer.magnitude.grad, lengths.grad, rtol=1e-4, atol=1e-5)


def test_rounding_for_a_picture_is_undone_to_the_bit() -> None:
    layer = LoraLinear(nn.Linear(8, 8), 4, 4.0, torch.Generator().manual_seed(0))
    with torch.no_grad():  # as a step leaves it: it began on numbers that fp16 has
        layer.down.add_(1e-4)
    kept = layer.down.detach().clone()
    with rounded_to({"a": layer}, torch.float16):
        assert torch.equal(layer.down, kept.half().float())
        assert not torch.equal(layer.down, kept)
    assert torch.equal(layer.down, kept)
