"""Every setting of the LoRA through the nodes, or block by block through the layers: the same numbers, and PEFT's."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers.models.attention import BasicTransformerBlock
from peft import LoraConfig
from torch import nn

from tests.bench.activations import Alive
from tests.trainer.conftest import make_config
from tests.trainer.model.test_adapters import inputs, small_unet
from tests.trainer.model.test_fused import Learner, apart
from tests.trainer.trap_parts import begin
from trainer.contract.plan.adapter_size import by_layer
from trainer.contract.settings.config import TrainConfig
from trainer.loop import Run
from trainer.model.adapters import DoraLinear
from trainer.model.fused.unet import KNOWN, FusedUnet, checkpoint
from trainer.model.parts import Parts

Make = Callable[..., TrainConfig]
BLOCK = "up_blocks.0.attentions.1"
ALL = 11  # transformer blocks of the small unet
# the settings, and how many blocks are nodes
NODES: list[tuple[dict[str, Any], int]] = [
    ({"train__alpha": 2.0}, ALL),
    ({"train__targets": "all-linear", "train__alpha": 3.0}, ALL),
    ({"adapter__rslora": True, "train__alpha": 2.0}, ALL),
    ({"train__blocks": (BLOCK, "mid_block.attentions.0.transformer_blocks.1.attn1")}, 2),
    ({"adapter__ranks": ("up_blocks.0=8", "mid_block=2")}, ALL),
    ({"adapter__ranks": ("attn2=2",), "adapter__alphas": ("up_blocks.0.attentions.0=1",)}, ALL),
    ({"adapter__ranks": (f"{BLOCK}.transformer_blocks.0.attn1.to_q=8",), "adapter__rslora": True}, ALL - 1),
    ({"adapter__alphas": ("to_v=2",), "train__targets": "all-linear"}, 0),
    ({"adapter__conv_rank": 3, "adapter__conv_alpha": 6.0}, ALL),
    ({"train__dropout": 0.3}, 0),
    ({"train__dora": True, "train__dora_axis": "output"}, 0),
]
IDS = [", ".join(f"{key.partition('__')[2]}={value}" for key, value in own.items()) for own, _ in NODES]
IN_PEFT = [one for one in NODES if "train__blocks" not in one[0]]


@pytest.mark.slow
@pytest.mark.parametrize(("own", "nodes"), NODES, ids=IDS)
def test_the_numbers_are_those_of_the_plain_layers(settings: Make, own: dict[str, Any], nodes: int) -> None:
    config = settings(**own)
    plain, fused = Learner(config, fused=False), Learner(config, fused=True)
    assert fused.blocks is not None and len(fused.blocks) == nodes and by_layer(config) == (not nodes)
    expected, found = plain.learn(), fused.learn()
    for name, one in expected.items():
        assert torch.allclose(found[name], one, rtol=1e-5, atol=1e-5 * float(one.abs().max())), name
    if not nodes:
        assert all(torch.equal(found[name], one) for name, one in expected.items())
    rough, half = (Learner(config, fused=one, dtype=torch.bfloat16).learn() for one in (False, True))
    assert 0 < apart(half, expected) < 1.05 * apart(rough, expected)


@pytest.mark.slow
@pytest.mark.parametrize(("own", "nodes"), IN_PEFT, ids=[one for one in IDS if "blocks=" not in one])
def test_the_numbers_are_pefts(settings: Make, own: dict[str, Any], nodes: int) -> None:
    """PEFT's layers on the same unet, with the same trained numbers; dropout that is seeded alike draws the same."""
    config = settings(**own)
    fused, theirs = Learner(config, fused=True), small_unet().to(torch.bfloat16).float()
    layers, train = fused.layers, config.train
    ranks = {path: len(layer.down) for path, layer in layers.items()}
    root = {path: rank**0.5 if config.adapter.rslora else 1.0 for path, rank in ranks.items()}
    theirs.add_adapter(
        LoraConfig(
            r=train.rank,
            target_modules=list(layers),
            use_rslora=config.adapter.rslora,
            use_dora=train.dora,
            lora_dropout=train.dropout,
            rank_pattern=dict(ranks),
            alpha_pattern={path: layer.scale * ranks[path] / root[path] for path, layer in layers.items()},
        )
    )
    theirs.train()
    expected: dict[str, nn.Parameter] = {}
    for path, layer in layers.items():
        other = theirs.get_submodule(path)
        assert other.scaling["default"] == pytest.approx(layer.scale, rel=1e-12)
        for name, their in (("down", other.lora_A["default"]), ("up", other.lora_B["default"])):
            their.weight.data = getattr(layer, name).detach().clone()
            expected[f"{path}.{name}"] = their.weight
        if isinstance(layer, DoraLinear):
            theirs_own = other.lora_magnitude_vector["default"]
            assert torch.allclose(theirs_own.weight, layer.magnitude, rtol=1e-6)
            expected[f"{path}.magnitude"] = theirs_own.weight
    torch.manual_seed(0)
    answer = theirs(**inputs(theirs)).sample
    answer.square().mean().backward()
    answer = answer.detach()
    found = fused.learn(seed=0)
    assert torch.allclose(found["answer"], answer, rtol=1e-5, atol=1e-5 * float(answer.abs().max()))
    for name, one in expected.items():
        assert one.grad is not None
        assert torch.allclose(found[name].view_as(one), one.grad, rtol=1e-5, atol=1e-5 * float(one.grad.abs().max()))


WORDS: list[dict[str, Any]] = [
    {"pivotal__enabled": True, "pivotal__fraction": 0.5},
    {"pivotal__enabled": False, "text_encoder_lora__enabled": True, "text_encoder_lora__fraction": 0.5},
]


@pytest.mark.slow
@pytest.mark.parametrize("own", WORDS, ids=["pivotal", "text encoders"])
def test_before_and_after_the_pivot_a_step_is_that_of_the_plain_layers(
    pictures: Path, tmp_path: Path, own: dict[str, Any]
) -> None:
    more = {"train__steps": 2, "train__rank": 2, "train__targets": "all-linear", "prodigy__d0": 1e-3, **own}
    exact, rough = (
        begin(tmp_path / one, make_config(pictures, train__precision=one, **more)) for one in ("fp32", "bf16")
    )
    for step in (1, 2):
        groups = ["unet", *(["embeddings" if own["pivotal__enabled"] else "text_encoder"] if step == 1 else [])]
        plain, node = (step_of(exact, step, plain=one) for one in (True, False))
        assert list(plain) == ["loss", *groups] and len(exact.trainee.fused) == ALL
        for name, one in plain.items():
            assert torch.allclose(node[name], one, rtol=1e-5, atol=1e-5 * float(one.abs().max())), name
        same_numbers(exact, rough)
        bad, half = (step_of(rough, step, plain=one) for one in (True, False))
        assert 0 < apart(half, plain) < 1.05 * apart(bad, plain)
        exact._one_step(step, known=True)
        rough._one_step(step, known=True)
    assert exact.trainee.pivoted


def same_numbers(exact: Run, rough: Run) -> None:
    """Give the run in bf16 the trained numbers of the other."""
    for one, other in zip(rough.trainee.groups, exact.trainee.groups, strict=True):
        one.data.copy_(other.data)


def step_of(live: Run, step: int, plain: bool) -> dict[str, torch.Tensor]:
    """The loss and the gradients of a step, of which nothing is applied, through the plain layers or as ever."""
    stepper = live.stepper
    if plain:
        with live.trainee.fused.layer_by_layer():
            loss = stepper._passes(step, stepper._batches(step))
    else:
        loss = stepper._passes(step, stepper._batches(step))
    return {"loss": loss, **{group.name: group.grad.clone() for group in live.trainee.groups}}


@pytest.mark.parametrize("own", [{}, {"adapter__ranks": ("up_blocks.0.attentions.0=8", "mid_block=2")}], ids=str)
def test_what_is_known_of_captions_is_read_by_every_block(settings: Make, own: dict[str, Any]) -> None:
    """Blocks of one rank read their words together, those of another by themselves."""
    learner = Learner(settings(**own), fused=True)
    assert learner.blocks is not None
    words = learner.inputs["encoder_hidden_states"]
    products = [learner.blocks.frozen(one) for one in words.detach()]
    # of two widths; up_blocks.0.attentions.0, what lies behind it and the middle have one product more each
    assert len(products[0]) == learner.blocks.products == 2 + 3 * bool(own)
    expected = learner.learn()
    learner.group.grad.zero_()
    known = tuple(torch.stack(each) for each in zip(*products, strict=True))
    learner.inputs["added_cond_kwargs"] |= {KNOWN: known}
    found = learner.learn()
    assert apart(*({name: one[name] for name in expected if name != "words"} for one in (found, expected))) < 1e-6
    learner.inputs["added_cond_kwargs"] |= {KNOWN: tuple(torch.zeros_like(one) for one in known)}
    assert apart({"answer": learner.learn()["answer"]}, {"answer": expected["answer"]}) > 1e-3


# -- block by block ---------------------------------------------------------------------------------------------------


def odd_layer(learner: Learner, path: str) -> None:
    learner.layers[f"{path}.attn1.to_k"].dropout = 1e-9  # type: ignore[union-attr]


def odd_scale(learner: Learner, path: str) -> None:
    learner.layers[f"{path}.attn2.to_v"].scale = 0.5


def odd_norm(learner: Learner, path: str) -> None:
    block = learner.unet.get_submodule(path)
    block.norm2 = OwnNorm(block.norm2.normalized_shape, block.norm2.eps).requires_grad_(False)


class OwnNorm(nn.LayerNorm):
    """Whoever gives a block a class of its own may compute something else in it."""


ODD = [
    (odd_layer, ["down_blocks.1.attentions.0.transformer_blocks.0"]),
    (odd_layer, [f"{BLOCK}.transformer_blocks.0", "mid_block.attentions.0.transformer_blocks.1"]),
    (odd_scale, [f"{BLOCK}.transformer_blocks.1"]),
    (odd_norm, ["up_blocks.1.attentions.0.transformer_blocks.0", f"{BLOCK}.transformer_blocks.0"]),
]


class Mixed(Learner):
    """A learner in which some blocks have something that no node computes."""

    def __init__(
        self,
        config: TrainConfig,
        fused: bool,
        dtype: torch.dtype,
        odd: Callable[[Learner, str], None],
        paths: list[str],
    ) -> None:
        super().__init__(config, False, dtype)
        for path in paths:
            odd(self, path)
        self.blocks = FusedUnet(self.unet, self.layers, self.copy.stack) if fused else None


@pytest.mark.parametrize(("odd", "paths"), ODD, ids=["first", "two", "scale", "norms"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_one_block_that_is_no_node_leaves_the_others_nodes(
    settings: Make, dtype: torch.dtype, odd: Callable[[Learner, str], None], paths: list[str]
) -> None:
    """And has the bits of the plain layers: of its answer and of its gradients, given what it is given."""
    config = settings(train__targets="all-linear")
    plain, mixed = (Mixed(config, one, dtype, odd, paths) for one in (False, True))
    assert mixed.blocks is not None and len(mixed.blocks) == ALL - len(paths)
    assert set(mixed.blocks.fused).isdisjoint(paths)
    seen: dict[str, list[Any]] = {path: [] for path in paths}
    for path in paths:
        block = mixed.unet.get_submodule(path)
        block.register_forward_hook(lambda _, x, more, y, at=path: keep(seen[at], x, more, y), with_kwargs=True)
    found, expected = mixed.learn(), plain.learn()
    assert apart(found, expected) < (1e-5 if dtype == torch.float32 else 0.05)
    plain.group.grad.zero_()
    for path in paths:
        x, more, y, above = seen[path]
        torch.manual_seed(0)
        again = plain.unet.get_submodule(path)(x.requires_grad_(), **more)
        assert torch.equal(again, y)
        again.backward(above)
        plain.copy.collect()
    own = [name for name in expected if name.startswith(tuple(f"{path}." for path in paths))]
    places = dict(zip(plain.group.names, plain.group.places(), strict=True))
    assert own and all(torch.equal(found[name], plain.group.grad[places[name]]) for name in own)


def keep(seen: list[Any], x: tuple[torch.Tensor, ...], more: dict[str, Any], y: torch.Tensor) -> None:
    """What a block is given and answers, and, when it comes back, the gradient above it."""
    detached = {key: one.detach() if isinstance(one, torch.Tensor) else one for key, one in more.items()}
    seen += [x[0].detach(), detached, y.detach()]
    y.register_hook(lambda grad: seen.append(grad.clone()))


@pytest.mark.slow
def test_blocks_beside_one_that_is_no_node_are_made_again_as_a_whole(settings: Make) -> None:
    """What the others make again is chosen as ever; all of it together keeps no more than nodes alone would."""
    path = f"{BLOCK}.transformer_blocks.0"
    kept: dict[str, int] = {}
    expected = None
    for what, paths in (("off", [path]), ("norms", [path]), ("norms", [])):
        learner = Mixed(settings(), True, torch.float32, odd_scale, paths)
        assert learner.blocks is not None
        parts = Parts(learner.unet, None, None, (None, None), None, torch.device("cpu"), torch.float32, True)
        checkpoint(parts, learner.blocks, what)  # type: ignore[arg-type]
        alive = Alive()
        alive.know([*learner.unet.parameters(), learner.group.data, learner.group.grad])
        alive.know([learner.copy.data, learner.copy.grad])
        with alive:
            found = learner.learn()
        kept[f"{what} {len(paths)}"] = alive.peak
        if paths:
            expected = expected or found
            assert all(torch.equal(found[name], one) for name, one in expected.items())
    assert kept["norms 1"] <= kept["norms 0"] < kept["off 1"]


def test_the_small_unet_has_so_many_blocks() -> None:
    assert sum(isinstance(one, BasicTransformerBlock) for one in small_unet().modules()) == ALL
