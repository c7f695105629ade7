"""A block as one node: the numbers of the plain layers and of PEFT in every setting, on a unet that is given back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, get_args

import pytest
import torch
from diffusers.models.attention import BasicTransformerBlock
from peft import LoraConfig
from torch import nn
from torch.nn import functional

from tests.bench.activations import Alive
from tests.trainer.model.full_depth import Operations, full_depth_inputs, full_depth_unet
from tests.trainer.model.test_adapters import inputs, small_unet
from trainer.contract.settings.config import TrainConfig
from trainer.contract.settings.training import Checkpointing
from trainer.model.adapters import LoraLinear, add_lora
from trainer.model.fused.attention import attend, attend_backward
from trainer.model.fused.unet import FusedUnet, checkpoint
from trainer.model.kinds import add_adapter
from trainer.model.parts import Parts
from trainer.step.flat_group import FlatGroup
from trainer.step.trainee import lora_group
from trainer.step.working_copy import WorkingCopy

Make = Callable[..., TrainConfig]
PLAIN: list[dict[str, Any]] = [
    {},
    {"train__alpha": 2.0},
    {"train__targets": "all-linear"},
    {"train__blocks": ("up_blocks.0.attentions.1",)},
]
# what the node does not compute goes the old way, block by block: DoRA, dropout, a part of a block
OTHERS: list[dict[str, Any]] = [
    {"train__dora": True},
    {"train__dropout": 0.3},
    {"train__blocks": ("up_blocks.0.attentions.1.transformer_blocks.0.attn1",)},
]


class Learner:
    """A small unet with a LoRA that is not at its start, in `dtype`, its blocks fused or not."""

    def __init__(self, config: TrainConfig, fused: bool, dtype: torch.dtype = torch.float32) -> None:
        self.unet = small_unet().to(torch.bfloat16).to(dtype)
        self.layers = add_adapter(self.unet, config)
        start = torch.Generator().manual_seed(1)
        with torch.no_grad():
            for one in self.layers.values():
                one.up.copy_(torch.randn(one.up.shape, generator=start) / 10)
        self.group = lora_group("unet", self.layers, 1.0, 0.0)
        self.copy = WorkingCopy(self.group, self.layers, dtype, [self.unet])
        self.blocks = FusedUnet(self.unet, self.layers, self.copy.stack) if fused else None
        self.inputs = cast(inputs(self.unet), dtype)
        self.inputs["encoder_hidden_states"].requires_grad_(True)

    def learn(self, seed: int = 0) -> dict[str, torch.Tensor]:
        """The answer, and the gradients of everything that has one."""
        torch.manual_seed(seed)
        answer = self.unet(**self.inputs).sample
        answer.float().square().mean().backward()
        self.copy.collect()
        words = self.inputs["encoder_hidden_states"].grad
        names = zip(self.group.names, self.group.places(), strict=True)
        return {"answer": answer.detach(), "words": words} | {name: self.group.grad[place] for name, place in names}


def cast(value: Any, dtype: torch.dtype) -> Any:
    if isinstance(value, dict):
        return {key: cast(one, dtype) for key, one in value.items()}
    return value.to(dtype) if value.is_floating_point() else value


def apart(found: dict[str, torch.Tensor], expected: dict[str, torch.Tensor]) -> float:
    """The distance of all numbers together, as a share of their length."""
    off = sum(float((found[name].float() - one.float()).square().sum()) for name, one in expected.items())
    return (off / sum(float(one.float().square().sum()) for one in expected.values())) ** 0.5


@pytest.mark.parametrize("own", PLAIN, ids=str)
def test_a_fused_block_is_the_plain_one(settings: Make, own: dict[str, Any]) -> None:
    config = settings(**own)
    plain, fused = Learner(config, fused=False), Learner(config, fused=True)
    assert fused.blocks is not None and len(fused.blocks) > 0
    found, expected = fused.learn(), plain.learn()
    for name, one in expected.items():
        assert torch.allclose(found[name], one, rtol=1e-5, atol=1e-5 * float(one.abs().max())), name
    # a second pass adds to the first, as autograd does
    assert apart(fused.learn(), {name: 2 * one for name, one in expected.items() if name != "answer"}) < 1e-5


@pytest.mark.slow
@pytest.mark.parametrize("own", [PLAIN[0], PLAIN[2]], ids=str)
def test_in_bf16_it_is_as_near_to_fp32_as_the_plain_one(settings: Make, own: dict[str, Any]) -> None:
    config = settings(**own)
    exact = Learner(config, fused=False).learn()
    plain, fused = (Learner(config, fused=one, dtype=torch.bfloat16).learn() for one in (False, True))
    assert 0 < apart(fused, exact) < 1.05 * apart(plain, exact)


@pytest.mark.parametrize("own", OTHERS, ids=str)
def test_what_the_node_does_not_compute_has_the_bits_of_before(settings: Make, own: dict[str, Any]) -> None:
    plain, fused = (Learner(settings(**own), one, torch.bfloat16) for one in (False, True))
    assert fused.blocks is not None and len(fused.blocks) == 0
    found = fused.learn()
    assert all(torch.equal(found[name], one) for name, one in plain.learn().items())


def test_it_is_pefts_lora(settings: Make) -> None:
    fused, theirs = Learner(settings(train__alpha=2.0), fused=True), small_unet().to(torch.bfloat16).float()
    theirs.add_adapter(LoraConfig(r=4, lora_alpha=2.0, target_modules=["to_q", "to_k", "to_v", "to_out.0"]))
    expected: dict[str, nn.Parameter] = {}
    for path, layer in fused.layers.items():
        other = theirs.get_submodule(path)
        for name, own, their in (("down", layer.down, other.lora_A), ("up", layer.up, other.lora_B)):
            their["default"].weight.data = own.detach().clone()
            expected[f"{path}.{name}"] = their["default"].weight
    answer = theirs(**inputs(theirs)).sample
    answer.square().mean().backward()
    found = fused.learn()
    assert torch.allclose(found["answer"], answer, atol=1e-5)
    for name, one in expected.items():
        assert torch.allclose(found[name].view_as(one), one.grad, rtol=1e-5, atol=1e-5 * float(one.grad.abs().max()))


@pytest.mark.slow
@pytest.mark.parametrize("own", [{}, {"train__targets": "all-linear"}, {"train__dora": True}], ids=str)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_whatever_is_made_again_has_the_same_bits(settings: Make, dtype: torch.dtype, own: dict[str, Any]) -> None:
    """And the more of it, the less is kept; blocks that are no nodes know only all of it."""
    expected, kept = None, []
    for what in get_args(Checkpointing):
        learner = Learner(settings(**own), fused=True, dtype=dtype)
        assert learner.blocks is not None
        parts = Parts(learner.unet, None, None, (None, None), None, torch.device("cpu"), dtype, True)
        checkpoint(parts, learner.blocks, what)
        alive = Alive()
        alive.know([*learner.unet.parameters(), learner.group.data, learner.group.grad])
        alive.know([learner.copy.data, learner.copy.grad])
        with alive:
            found = learner.learn()
        kept.append(alive.peak)
        expected = expected or found
        assert all(torch.equal(found[name], one) for name, one in expected.items()), what
    nodes = not own.get("train__dora")
    assert kept[0] > kept[1] and kept == sorted(kept, reverse=True) and (len(set(kept)) == 4) is nodes


@pytest.mark.slow
def test_a_mask_and_other_words_go_through_diffusers_block(settings: Make) -> None:
    plain, fused = Learner(settings(), fused=False), Learner(settings(), fused=True)
    for one in (plain, fused):
        one.inputs["encoder_attention_mask"] = torch.arange(77).lt(40).expand(2, 77)
    found, expected = fused.learn(), plain.learn()
    assert all(torch.equal(found[name], one) for name, one in expected.items())
    del plain.inputs["encoder_attention_mask"]
    assert not torch.allclose(plain.learn()["answer"], expected["answer"], atol=1e-5)


def test_a_unet_is_given_back_and_no_other_is_touched(settings: Make) -> None:
    forward, linear = BasicTransformerBlock.forward, LoraLinear.forward
    other, learner = Learner(settings(), fused=False), Learner(settings(), fused=True)
    assert BasicTransformerBlock.forward is forward and LoraLinear.forward is linear
    blocks = [one for one in other.unet.modules() if isinstance(one, BasicTransformerBlock)]
    assert not any("forward" in vars(one) for one in blocks)
    assert learner.blocks is not None
    learner.blocks.undo()
    found = learner.learn()
    assert all(torch.equal(found[name], one) for name, one in other.learn().items())
    # the weights lie side by side, and are still those of the file
    theirs = other.unet.state_dict()
    assert all(torch.equal(one, theirs[name]) for name, one in learner.unet.state_dict().items())


def test_a_pass_reads_the_numbers_as_they_are_now(settings: Make) -> None:
    """Whatever changed them: a checkpoint put back, a rounding for a picture, a scale."""
    for dtype in (torch.float32, torch.bfloat16):
        learner = Learner(settings(), fused=True, dtype=dtype)
        with torch.no_grad():
            first = learner.unet(**learner.inputs).sample
            for layer in learner.layers.values():
                layer.scale = 0.0
            bare = learner.unet(**learner.inputs).sample
            for layer in learner.layers.values():
                layer.scale = 1.0
                layer.up.zero_()
            assert torch.equal(learner.unet(**learner.inputs).sample, bare)
        assert not torch.allclose(first, bare, atol=1e-3)


@pytest.mark.parametrize("kernel", ["plain", "cpu"])
def test_attention_and_its_gradient_are_torchs(kernel: Any) -> None:
    start = torch.Generator().manual_seed(0)
    q, k, v = (torch.randn(2, tokens, 3, 8, generator=start).transpose(1, 2).requires_grad_() for tokens in (5, 7, 7))
    expected = functional.scaled_dot_product_attention(q, k, v)
    grad = torch.randn(expected.shape, generator=start)
    gradients = torch.autograd.grad(expected, (q, k, v), grad)
    with torch.no_grad():
        found = attend(q, k, v, kernel)
        others = attend_backward(grad, q, k, v, found)
    for one, other in zip((found.out, *others), (expected, *gradients), strict=True):
        assert torch.allclose(one, other, atol=1e-6)


def full_depth(fused: bool) -> int:
    """Operations of a forward and backward pass on the unet of full depth, in bf16."""
    unet = full_depth_unet(torch.bfloat16)
    layers = add_lora(unet, TrainConfig.model_validate({"train": {"rank": 8, "targets": "attention"}}))
    group: FlatGroup = lora_group("unet", layers, 1.0, 0.0)
    copy = WorkingCopy(group, layers, torch.bfloat16, [unet])
    blocks = FusedUnet(unet, layers, copy.stack) if fused else None
    assert blocks is None or len(blocks) == 70
    own = full_depth_inputs(torch.bfloat16)
    with Operations() as seen:
        unet(**own)[0].float().square().mean().backward()
        copy.collect()
    return seen.count


@pytest.mark.slow
def test_the_blocks_of_sdxl_take_half_the_operations() -> None:
    plain, fused = full_depth(False), full_depth(True)
    print(f"\noperations forward and backward, bf16: {plain} layer by layer, {fused} with a node a block")
    assert fused <= 4575 and 2 * fused <= plain + 150
