"""PiSSA's and OLoRA's starts: PEFT's own factors and function, and files that any reader puts on the whole base."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from peft import LoraConfig, inject_adapter_in_model
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from tests.trainer.model.test_adapters import inputs, small_unet
from trainer.contract.loras.keys import diffusers_key, kohya_key
from trainer.contract.plan.adapter_size import flop_of_start
from trainer.contract.plan.advice import refusals
from trainer.contract.plan.estimate import estimate
from trainer.contract.run.exports import DIFFUSERS
from trainer.contract.settings.adapter import Adapter
from trainer.contract.settings.config import SMALL, TrainConfig, nested
from trainer.export.files import write_diffusers, write_kohya
from trainer.export.header import Told
from trainer.export.proof import ExportMismatch
from trainer.ground.tensor_files import load_tensors
from trainer.model.adapters import rounded_to
from trainer.model.kinds import add_adapter
from trainer.model.started import StartedLinear

RANK, ALPHA = 4, 6.0
STARTS = ("pissa", "olora")


def pefts(kind: str, weight: torch.Tensor) -> nn.Module:
    """PEFT's layer over a Linear of this weight; `pissa_niter_16` has rounds, as ours does by default."""
    model = nn.Sequential(nn.Linear(weight.shape[1], weight.shape[0]))
    with torch.no_grad():
        model[0].weight.copy_(weight)
        model[0].bias.zero_()
    own = LoraConfig(r=RANK, lora_alpha=ALPHA, target_modules=["0"], init_lora_weights=kind)
    return inject_adapter_in_model(own, model)[0]


def ours(kind: str, weight: torch.Tensor, rounds: int = 0) -> StartedLinear:
    base = nn.Linear(weight.shape[1], weight.shape[0], bias=False)
    base.weight = nn.Parameter(weight.clone())
    layer = StartedLinear(base, RANK, ALPHA, torch.Generator())
    layer.begin(Adapter(start=kind, start_rounds=rounds), torch.Generator().manual_seed(3))
    return layer


def weights() -> list[torch.Tensor]:
    start = torch.Generator().manual_seed(0)
    return [torch.randn(*shape, generator=start) for shape in ((24, 16), (16, 24), (40, 40))]


@pytest.mark.parametrize("kind", STARTS)
def test_the_start_is_pefts_and_changes_nothing(kind: str) -> None:
    for weight in weights():
        layer, other = ours(kind, weight), pefts(kind, weight)
        down, up = other.lora_A["default"].weight, other.lora_B["default"].weight
        signs = torch.sign((layer.down0 * down).sum(dim=1))
        torch.testing.assert_close(layer.down0, signs[:, None] * down, atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(layer.up0, up * signs, atol=1e-5, rtol=1e-4)
        x = torch.randn(5, weight.shape[1])
        torch.testing.assert_close(other(x), x @ weight.T, atol=1e-4, rtol=1e-4)
        assert torch.equal(layer(x), layer.base(x)) and not layer.change().any()
        assert layer.up0.norm() > 1  # what PEFT takes out of the weight is not nothing


def test_rounds_find_the_largest_singular_values_no_worse_than_pefts() -> None:
    for weight in weights():
        whole, found, other = ours("pissa", weight), ours("pissa", weight, 16), pefts("pissa_niter_16", weight)
        product = other.lora_B["default"].weight @ other.lora_A["default"].weight
        wanted = whole.up0 @ whole.down0
        assert float((found.up0 @ found.down0 - wanted).norm()) <= float((product - wanted).norm()) + 1e-4
        torch.testing.assert_close(found.up0 @ found.down0, wanted, atol=1e-2, rtol=1e-2)


def moved_alike(kind: str, weight: torch.Tensor) -> tuple[StartedLinear, nn.Module]:
    """Both trained by the same steps, small beside the start as real ones are."""
    layer, other = ours(kind, weight), pefts(kind, weight)
    a, b, start = other.lora_A["default"].weight, other.lora_B["default"].weight, torch.Generator().manual_seed(1)
    with torch.no_grad():
        signs = torch.sign((layer.down0 * a).sum(dim=1))
        layer.down.normal_(std=1e-3, generator=start)
        layer.up.normal_(std=1e-3, generator=start)
        a.add_(signs[:, None] * layer.down)
        b.add_(layer.up * signs)
    return layer, other


@pytest.mark.parametrize("kind", STARTS)
def test_what_is_trained_is_pefts_function_with_its_gradients(kind: str) -> None:
    for weight in weights():
        layer, other = moved_alike(kind, weight)
        one, two = (torch.randn(5, weight.shape[1], generator=torch.Generator().manual_seed(2)) for _ in range(2))
        one.requires_grad_()
        two.requires_grad_()
        found, expected = layer(one), other(two)
        torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)
        found.square().sum().backward()
        expected.square().sum().backward()
        a, b = other.lora_A["default"].weight, other.lora_B["default"].weight
        signs = torch.sign((layer.down0 * a).sum(dim=1))
        torch.testing.assert_close(one.grad, two.grad, atol=1e-3, rtol=1e-3)
        torch.testing.assert_close(layer.down.grad, signs[:, None] * a.grad, atol=1e-2, rtol=1e-3)
        torch.testing.assert_close(layer.up.grad, b.grad * signs, atol=1e-2, rtol=1e-3)
        change = other.get_delta_weight("default") + other.base_layer.weight - weight
        torch.testing.assert_close(layer.change(), change, atol=1e-5, rtol=1e-3)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_a_file_in_half_precision_keeps_a_small_change_which_pefts_form_of_it_does_not(dtype: torch.dtype) -> None:
    layer, _ = moved_alike("pissa", weights()[0])
    change = layer.change()
    with rounded_to({"a": layer}, dtype):
        found = layer.change()
    assert float((found - change).norm() / change.norm()) < 2.0**-8
    plain = [one.to(dtype).float() for one in (layer.up0 + layer.up, layer.down0 + layer.down, layer.up0, layer.down0)]
    theirs = layer.scale * (plain[0] @ plain[1] - plain[2] @ plain[3])  # PEFT's conversion: [B, B0] and [A, -A0]
    assert float((theirs - change).norm() / change.norm()) > 0.1
    assert torch.equal(layer.change(), change)


@pytest.mark.parametrize("kind", STARTS)
def test_files_are_a_lora_of_twice_the_rank_on_the_unchanged_unet(
    settings: Callable[..., TrainConfig], tmp_path: Path, kind: str
) -> None:
    """Read by kohya's and diffusers' formulas: alpha / rank, and 1; the unet's weights are those of before."""
    own = settings(
        adapter__start=kind,
        train__alpha=2.0,
        adapter__ranks=["attn2=2"],
        adapter__conv_rank=2,
        export__precision="fp32",
    )
    unet, before = small_unet(), small_unet()
    layers = add_adapter(unet, own)
    start = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for layer in layers.values():
            for one in layer.trained().values():
                one.add_(torch.randn(one.shape, generator=start), alpha=0.01)
    write_kohya(tmp_path / "a.safetensors", own, layers, Told((), 1), 1)
    write_diffusers(tmp_path / DIFFUSERS, layers, torch.float32)
    theirs, again = load_tensors(tmp_path / "a.safetensors"), load_tensors(tmp_path / DIFFUSERS)
    plain = dict(before.named_parameters())
    for name, layer in layers.items():
        key, weight = kohya_key(name, 1), plain[f"{name}.weight"]
        assert torch.equal(layer.base.weight, weight)
        down, up = (theirs[f"{key}.lora_{side}.weight"].flatten(1) for side in ("down", "up"))
        starts = isinstance(layer, StartedLinear)
        assert len(down) == len(layer.down) * (2 if starts else 1)
        change = (up @ down) * float(theirs[f"{key}.alpha"]) / len(down)
        torch.testing.assert_close(change, layer.change(), atol=1e-5, rtol=1e-4)
        down, up = (again[diffusers_key(name, side)].flatten(1) for side in ("down", "up"))
        assert len(down) == 2 * own.train.rank  # filled up: older diffusers takes one scale for all
        torch.testing.assert_close(up @ down, layer.change(), atol=1e-5, rtol=1e-4)
        if starts:
            a, b = layer.down0 + layer.down, layer.up0 + layer.up
            expected = layer.scale * (b @ a - layer.up0 @ layer.down0)
            torch.testing.assert_close(layer.change(), expected, atol=1e-5, rtol=1e-3)
    some = next(one for one in layers.values() if isinstance(one, StartedLinear))
    some.up0.mul_(2)  # files of another start than the one that was trained
    with pytest.raises(ExportMismatch):
        some.factors = lambda: (torch.cat((some.down0 + some.down, some.down)), torch.cat((some.up, some.up0 / 2), 1))  # type: ignore[method-assign]
        write_kohya(tmp_path / "b.safetensors", own, layers, Told((), 1), 1)


def test_the_unet_is_the_base_at_the_start_whatever_it_is_kept_in(settings: Callable[..., TrainConfig]) -> None:
    unet = small_unet()
    before = unet(**inputs(unet)).sample
    layers = add_adapter(unet, settings(adapter__start="pissa"))
    assert torch.equal(unet(**inputs(unet)).sample, before)
    assert all(isinstance(one, StartedLinear) and one.up0.any() for one in layers.values())
    again = add_adapter(small_unet(), settings(adapter__start="pissa"))
    assert all(torch.equal(one.down0, again[path].down0) for path, one in layers.items())
    empty = add_adapter(small_unet(), settings(adapter__start="pissa"), begins=False)
    assert not any(one.up0.any() for one in empty.values())  # to be filled: no decomposition for nothing


@pytest.mark.parametrize("kind", ["default", *STARTS])
def test_the_plan_counts_the_start(settings: Callable[..., TrainConfig], kind: str) -> None:
    own = settings(model__base=SMALL, adapter__start=kind, adapter__conv_rank=2, adapter__ranks=["attn2=2"])
    layers, found = add_adapter(small_unet(), own), estimate(own, 5)
    trained, fixed = (
        sum(one.numel() for layer in layers.values() for one in kept(layer).values())
        for kept in (lambda layer: layer.trained(), lambda layer: layer.fixed())
    )
    rows = 2 * sum(own.token_counts.values())
    assert found.lora_parameters == trained and bool(fixed) is (kind != "default")
    (lora,) = (one.bytes for one in found.memory if one.name == "LoRA and new tokens")
    assert 0 <= lora - 4 * (trained + fixed) <= 4 * rows * 2048
    files = next(one.bytes for one in found.disk if one.name == "files to use")
    wide = max(len(layer.factors()[0]) for layer in layers.values())
    padded = sum(
        wide * sum(side.numel() // len(layer.down) for side in layer.trained().values()) for layer in layers.values()
    )
    assert files == 2 * (trained + fixed) + 2 * padded


def test_what_does_not_go_with_a_start_is_refused() -> None:
    def said(**own: object) -> list[str]:
        values = {key.replace("__", "."): value for key, value in own.items()} | {"model.base": SMALL}
        return refusals(TrainConfig.model_validate(nested(values)))

    assert said(adapter__start="pissa") == said(adapter__start="olora", model__quantize="int8") == []
    (one,) = said(adapter__start="pissa", train__dora=True)
    assert one.startswith("adapter.start is pissa, and train.dora is on")
    (one,) = said(adapter__start="olora", adapter__kind="loha")
    assert "adapter.kind is loha" in one and "set one of them back" in one
    (one,) = said(adapter__start="pissa", train__rank=512)
    assert "directions to begin from; set the rank to" in one
    assert any("adapter.start default" in one for one in said(adapter__start="pissa", train__start_from="/nowhere"))


@pytest.mark.parametrize("kind", STARTS)
def test_the_plan_counts_the_arithmetic_of_the_start(settings: Callable[..., TrainConfig], kind: str) -> None:
    """Counted by torch itself in what the trainer does with one weight."""
    own = settings(model__base=SMALL, adapter__start=kind)
    layer = StartedLinear(torch.nn.Linear(640, 1280), 4, 4.0, torch.Generator())
    with FlopCounterMode(display=False) as counter:
        layer.begin(own.adapter, torch.Generator())
    assert counter.get_total_flops() == pytest.approx(flop_of_start(own, (1280, 640), 4), rel=0.01)
    plain, all_of_it = estimate(settings(model__base=SMALL), 5), estimate(own, 5)
    weights = [tuple(one.base.weight.shape) for one in add_adapter(small_unet(), own, begins=False).values()]
    counted = sum(flop_of_start(own, one, own.train.rank) for one in weights)
    assert all_of_it.first_flop - plain.first_flop == pytest.approx(counted) and counted > 0
    if kind == "pissa":
        whole = settings(adapter__start=kind, adapter__start_rounds=0)
        assert flop_of_start(whole, (1280, 640), 4) > flop_of_start(own, (1280, 640), 4)


def test_how_far_the_start_is_is_told(settings: Callable[..., TrainConfig]) -> None:
    said: list[tuple[int, int]] = []

    def told(done: int, total: int) -> None:
        said.append((done, total))

    own = settings(adapter__start="olora")
    layers = add_adapter(small_unet(), own, told=told)
    assert said == [(done, len(layers)) for done in range(len(layers) + 1)]
    add_adapter(small_unet(), own, begins=False, told=told)
    add_adapter(small_unet(), settings(), told=told)
    assert len(said) == len(layers) + 1  # nothing is taken from the weights
