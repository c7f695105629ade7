"""A frozen base in fewer bits: the gradients of the numbers that its codes mean, in the node and in the plain layer."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from bitsandbytes import functional
from torch import nn

from tests.trainer.conftest import make_config, make_run, train
from tests.trainer.model import test_fused
from tests.trainer.model.test_adapters import small_unet
from tests.trainer.model.test_fused import Learner, apart
from trainer.contract.plan.estimate import estimate
from trainer.contract.plan.model_shape import NF4_BLOCK
from trainer.contract.run import exits
from trainer.contract.settings.config import TrainConfig
from trainer.contract.settings.model import Quantize
from trainer.model import quantized
from trainer.model.fused import frozen
from trainer.model.parts import load_parts
from trainer.model.quantized import QuantizedLinear, quantize_unet, weight_of

Make = Callable[..., TrainConfig]
CPU = torch.device("cpu")
KINDS: list[Quantize] = ["nf4", "int8"]


def coded(how: Quantize) -> nn.Module:
    unet = small_unet()
    quantize_unet(unet, how, CPU)
    return unet


def meant(how: Quantize) -> nn.Module:
    """The oracle: plain layers whose weights are, in fp32, what the codes mean."""
    unet = coded(how)
    for path, one in list(unet.named_modules()):
        if isinstance(one, QuantizedLinear):
            plain = nn.Linear(one.in_features, one.out_features, one.bias is not None).requires_grad_(False)
            plain.weight.copy_(one.dense())
            plain.bias = one.bias
            parent, _, name = path.rpartition(".")
            setattr(unet.get_submodule(parent), name, plain)
    return unet


def learner(monkeypatch: pytest.MonkeyPatch, unet: nn.Module, config: TrainConfig, fused: bool) -> Learner:
    unet.to = lambda *_: unet  # type: ignore[assignment]  # the helper's detour through bf16 would round the scales
    monkeypatch.setattr(test_fused, "small_unet", lambda: unet)
    return Learner(config, fused)


@pytest.mark.parametrize("how", KINDS)
@pytest.mark.parametrize(
    ("own", "fused"),
    [({"train__targets": "all-linear"}, True), ({}, False), ({"train__dropout": 0.3}, True)],
    ids=["node", "plain", "dropout"],
)
def test_the_gradients_are_those_of_what_the_codes_mean(
    settings: Make, monkeypatch: pytest.MonkeyPatch, how: Quantize, own: dict[str, Any], fused: bool
) -> None:
    monkeypatch.setattr(frozen, "PIECE", 3 * 80 * 160)  # the words' weights do not fit into one piece
    found = learner(monkeypatch, coded(how), settings(**own), fused)
    assert found.blocks is None or (len(found.blocks) > 0) is ("train__dropout" not in own)
    expected = learner(monkeypatch, meant(how), settings(**own), False).learn()
    assert apart(found.learn(), expected) < 1e-5
    bare = learner(monkeypatch, small_unet(), settings(**own), False).learn()
    assert apart(bare, expected) > 1e-4  # the codes are not the weights


@pytest.mark.parametrize("how", KINDS)
def test_codes_below_each_other_mean_the_same_and_lie_there_once(how: Quantize) -> None:
    layers = [QuantizedLinear(nn.Linear(80, 80, False, dtype=torch.bfloat16), how) for _ in range(3)]
    before = [one.dense() for one in layers]
    rows = quantized.QuantizedRows(layers)
    assert torch.equal(rows.dense(), torch.cat(before)) and rows.dense().dtype == torch.bfloat16
    assert all(torch.equal(one.dense(), other) for one, other in zip(layers, before, strict=True))
    assert len({one.codes.untyped_storage().data_ptr() for one in layers}) == 1
    assert not any("weight" in dict(one.named_parameters()) for one in layers)
    with pytest.raises(AttributeError):  # what would compute with codes as if they were numbers fails
        layers[0].weight.float()


@pytest.mark.parametrize("shape", [(80, 80), (40, 64), (80, 160), (32, 320)])  # rows of whole blocks, and others
def test_a_code_means_what_its_table_says_on_every_processor(shape: tuple[int, int]) -> None:
    linear = nn.Linear(shape[1], shape[0], False)
    one = QuantizedLinear(linear, "nf4")
    _, state = functional.quantize_4bit(linear.weight.detach(), blocksize=NF4_BLOCK, quant_type="nf4")
    numbers = torch.stack([one.codes >> 4, one.codes & 15], 1).reshape(-1, NF4_BLOCK)  # the high half comes first
    by_hand = (state.code[numbers.long()] * one.scales[:, None]).reshape(shape)
    assert torch.allclose(one.dense(), by_hand, rtol=1e-6, atol=0)


@pytest.mark.parametrize("how", KINDS)
def test_what_it_holds_is_what_the_plan_says(how: Quantize) -> None:
    config = make_config(Path("photos"), model__quantize=how, train__precision="bf16")
    parts = load_parts(config, CPU)
    weights = {name: weight_of(one).float() for name, one in linears(parts.unet).items()}
    parts.place_unet()
    held = sum(one.numel() * one.element_size() for one in (*parts.unet.parameters(), *parts.unet.buffers()))
    assert held == next(one.bytes for one in estimate(config, 5, "cpu").memory if one.name == "unet")
    off = {"nf4": 0.11, "int8": 0.012}[how]
    for name, one in linears(parts.unet).items():
        error = float((weight_of(one).float() - weights[name]).norm() / weights[name].norm())
        assert error < (off if isinstance(one, QuantizedLinear) else 1e-9), name
    again = {name: one.codes for name, one in linears(parts.unet).items() if isinstance(one, QuantizedLinear)}
    parts.place_unet()  # for the second time: nothing is coded twice
    assert len(again) == 124 and all(linears(parts.unet)[name].codes is one for name, one in again.items())


def linears(unet: nn.Module) -> dict[str, nn.Linear]:
    return {name: one for name, one in unet.named_modules() if isinstance(one, nn.Linear)}


@pytest.mark.slow
def test_a_run_on_codes_shows_and_tells_what_it_was_trained_on(pictures: Path, tmp_path: Path) -> None:
    """Pictures are drawn on the codes, also later by `generate`; other codes are another run."""
    from trainer.contract.basemodel.headers import read_header
    from trainer.samples.generate import main as generate

    own = {"train__steps": 2, "sample__steps": 1, "model__quantize": "nf4", "train__precision": "bf16"}
    own["sample__at_start"] = True
    run = make_run(tmp_path / "run", make_config(pictures, **own))
    train(run)
    assert generate([str(run.path), "a TOK star", "--out", str(tmp_path / "again.png")]) == 0
    assert (tmp_path / "again.png").read_bytes() == run.sample(2, 0).read_bytes()
    whole = make_run(tmp_path / "whole", make_config(pictures, **own | {"model__quantize": "off"}))
    train(whole)
    assert run.sample(0, 0).read_bytes() != whole.sample(0, 0).read_bytes()
    assert "in nf4" in (run.export / "README.md").read_text()
    told = read_header(run.export / "toy.safetensors").words
    assert "in nf4" in told["ss_training_comment"] and "in nf4" in told["modelspec.description"]
    make_run(run.path, make_config(pictures, **own | {"model__quantize": "int8", "train__steps": 3}))
    refused = [event for event in train(run, code=exits.DATASET) if event["type"] == "error"][-1]["message"]
    assert "model.quantize" in refused
