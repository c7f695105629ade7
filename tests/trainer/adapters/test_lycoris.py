"""LoKr, LoHa and OFT: what each trains is what those who read its file compute, and its plan is what it is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn import functional

from tests.trainer.model.test_adapters import inputs, small_unet
from trainer.contract.loras.keys import kohya_key
from trainer.contract.plan.advice import refusals
from trainer.contract.plan.estimate import estimate
from trainer.contract.run.exports import FOR_DIFFUSERS, KOHYA
from trainer.contract.settings.adapter import factors, oft_block
from trainer.contract.settings.config import SMALL, TrainConfig, nested
from trainer.export.files import write_kohya
from trainer.export.header import Told
from trainer.export.proof import ExportMismatch
from trainer.ground.tensor_files import load_tensors
from trainer.model.adapters import AdaptedLayer
from trainer.model.kinds import add_adapter
from trainer.model.lycoris import UNBOUND, LycorisLayer

KINDS: dict[str, dict[str, object]] = {
    "lokr": {"adapter__kind": "lokr", "train__rank": 2, "train__alpha": 1.0, "adapter__conv_rank": 2},
    "lokr, whole": {"adapter__kind": "lokr", "train__rank": 64, "train__alpha": 1.0, "adapter__conv_rank": 64},
    "lokr, factor 4": {"adapter__kind": "lokr", "train__rank": 3, "adapter__factor": 4, "adapter__ranks": ["attn2=1"]},
    "loha": {"adapter__kind": "loha", "train__rank": 2, "train__alpha": 3.0, "adapter__conv_rank": 3},
    "oft": {"adapter__kind": "oft", "adapter__block": 12, "adapter__conv_rank": 1},
}


def moved(unet: nn.Module, config: TrainConfig) -> dict[str, AdaptedLayer]:
    layers, start = add_adapter(unet, config), torch.Generator().manual_seed(0)
    with torch.no_grad():
        for layer in layers.values():
            for one in layer.trained().values():
                one.add_(torch.randn(one.shape, generator=start), alpha=0.05)
    return layers


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_changed_at_the_start_and_the_numbers_are_the_plans(
    settings: Callable[..., TrainConfig], kind: str
) -> None:
    own, unet = settings(model__base=SMALL, **KINDS[kind]), small_unet()
    before = unet(**inputs(unet)).sample
    state = torch.random.get_rng_state()
    layers = add_adapter(unet, own)
    assert torch.equal(torch.random.get_rng_state(), state)  # PEFT's draws are from a place of their own
    assert torch.allclose(unet(**inputs(unet)).sample, before, atol=1e-5)
    numbers = sum(one.numel() for layer in layers.values() for one in layer.trained().values())
    found = estimate(own, 5)
    assert found.lora_parameters == numbers
    assert next(one.bytes for one in found.disk if one.name == "files to use") == 2 * numbers
    again = add_adapter(small_unet(), own)
    pairs = zip(layers.values(), again.values(), strict=True)
    assert all(
        torch.equal(a, b) for x, y in pairs for a, b in zip(x.trained().values(), y.trained().values(), strict=True)
    )
    assert KOHYA.is_written(own) and not FOR_DIFFUSERS.is_written(own)


def rebuilt(kind: str, weight: torch.Tensor, own: dict[str, torch.Tensor]) -> torch.Tensor:
    """W plus its change by the published formulas: LyCORIS' paper (sections 3 and 4) and OFT's Cayley transform."""
    if kind.startswith("lokr"):
        low = "lokr_w2_b" in own
        second = (
            own["lokr_w2_a"] @ own["lokr_w2_b"] if low else own["lokr_w2"].flatten(1) if weight.dim() == 2 else None
        )
        scale = float(own["alpha"]) / len(own["lokr_w2_b"]) if low else 1.0
        if second is None:
            return weight + torch.kron(own["lokr_w1"][..., None, None], own["lokr_w2"])
        return weight + scale * torch.kron(own["lokr_w1"], second).reshape(weight.shape)
    if kind == "loha":
        product = (own["hada_w1_a"] @ own["hada_w1_b"]) * (own["hada_w2_a"] @ own["hada_w2_b"])
        return weight + product.reshape(weight.shape) * float(own["alpha"]) / len(own["hada_w1_b"])
    skew = own["oft_blocks"] - own["oft_blocks"].mT
    one = torch.eye(skew.shape[1])
    whole = torch.block_diag(*((one + q) @ torch.linalg.inv(one - q) for q in skew))
    assert torch.allclose(whole @ whole.T, torch.eye(len(whole)), atol=1e-4) and float(own["alpha"]) == UNBOUND
    return (whole.T @ weight.flatten(1)).reshape(weight.shape)


@pytest.mark.parametrize("kind", KINDS)
def test_the_weight_that_a_reader_makes_of_the_file_is_what_the_layer_does(
    settings: Callable[..., TrainConfig], tmp_path: Path, kind: str
) -> None:
    own = settings(export__precision="fp32", **KINDS[kind])
    unet = small_unet()
    layers, path = moved(unet, own), tmp_path / "a.safetensors"
    write_kohya(path, own, layers, Told((), 1), 1)
    tensors, seen = load_tensors(path), set()
    for name, layer in layers.items():
        key = kohya_key(name, 1)
        parts = {one.removeprefix(f"{key}."): tensor for one, tensor in tensors.items() if one.startswith(f"{key}.")}
        seen |= set(parts)
        base = layer.base
        weight = rebuilt(kind, base.weight.detach(), parts)
        start = torch.Generator().manual_seed(1)
        if isinstance(base, nn.Conv2d):
            x = torch.randn(2, base.in_channels, 8, 8, generator=start)
            expected = functional.conv2d(x, weight, base.bias, base.stride, base.padding)
        else:
            x = torch.randn(3, base.in_features, generator=start)
            expected = functional.linear(x, weight, base.bias)
        torch.testing.assert_close(layer(x), expected, atol=1e-4, rtol=1e-4)
        assert not torch.allclose(layer(x), base(x), atol=1e-3)
        torch.testing.assert_close(weight.flatten(1) - base.weight.flatten(1), layer.change(), atol=1e-5, rtol=1e-3)
    wanted = {"lokr": {"lokr_w1", "lokr_w2_a", "lokr_w2_b"}, "lokr, whole": {"lokr_w1", "lokr_w2"}}
    wanted |= {"loha": {f"hada_w{one}_{side}" for one in "12" for side in "ab"}, "oft": {"oft_blocks"}}
    assert wanted.get(kind, {"lokr_w1"}) | {"alpha"} <= seen


def test_a_file_that_is_not_what_was_trained_is_no_proof(settings: Callable[..., TrainConfig], tmp_path: Path) -> None:
    own = settings(**KINDS["oft"])
    layers = moved(small_unet(), own)
    write_kohya(tmp_path / "a.safetensors", own, layers, Told((), 1), 1)
    layer = next(iter(layers.values()))
    assert isinstance(layer, LycorisLayer)
    layer.alpha = 0.01  # a limit that binds: readers would turn by less
    with pytest.raises(ExportMismatch, match="ComfyUI would make another weight"):
        write_kohya(tmp_path / "b.safetensors", own, layers, Told((), 1), 1)


def test_the_factors_are_pefts() -> None:
    from peft.tuners.lokr.layer import factorization

    for side in (1, 6, 7, 16, 320, 640, 1280, 2048, 2816, 5120, 10240):
        for wanted in (-1, 2, 3, 4, 8, 16, 100):
            assert factors(side, wanted) == factorization(side, wanted), (side, wanted)
    assert [oft_block(640, one) for one in (16, 12, 1000)] == [16, 10, 640]


def test_what_only_a_lora_has_is_refused() -> None:
    def said(**own: object) -> list[str]:
        values = {key.replace("__", "."): value for key, value in own.items()} | {"model.base": SMALL}
        return refusals(TrainConfig.model_validate(nested(values)))

    assert said(adapter__kind="loha") == []
    for own in ({"train__dora": True}, {"train__dropout": 0.1}):
        (one,) = said(adapter__kind="lokr", **own)
        assert one.startswith("adapter.kind is lokr") and "set" in one
    (one,) = said(adapter__kind="oft", adapter__ranks=["attn2=4"])
    assert "in place of a rank" in one
