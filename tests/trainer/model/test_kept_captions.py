"""What the frozen keys and values make of constant captions: kept or made anew, a run has the same bits."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.trainer.conftest import make_config
from tests.trainer.model.full_depth import Operations
from tests.trainer.model.test_fused import Learner
from tests.trainer.model.test_quantized import coded, learner
from tests.trainer.step.test_no_wait import CLOCKS, went
from tests.trainer.trap_parts import begin, logged, same
from trainer.contract.plan.estimate import estimate
from trainer.contract.settings.config import TrainConfig
from trainer.ground.room import Room
from trainer.loop import Run
from trainer.model.fused.captions import CaptionProducts
from trainer.model.fused.unet import KNOWN
from trainer.model.times import TimeEmbeddings

STEPS = 4
ALONE: dict[str, Any] = {"train__batch": 1, "train__steps": STEPS, "pivotal__fraction": 0.25, "prodigy__d0": 1e-3}


def trained(folder: Path, own: TrainConfig) -> tuple[Run, list[dict[str, Any]], Any]:
    live = begin(folder, own)
    for step in range(live.done + 1, STEPS + 1):
        live._one_step(step, known=True)
    told = [{name: one for name, one in event.items() if name not in CLOCKS} for event in logged(live, "step")]
    return live, told, live.trainee.snapshot(STEPS, {})


def equal(one: Any, other: Any) -> bool:
    return all(same(getattr(one, kind), getattr(other, kind)) for kind in ("lora", "embeddings", "optimizer"))


@pytest.mark.slow
@pytest.mark.parametrize(
    "own",
    [
        {"train__precision": "bf16"},
        {"model__quantize": "nf4", "dataset__buckets": True, "dataset__caption_dropout": 0.5},
        {"train__batch": 3, "train__precision": "bf16", "prior__enabled": True, "prior__images": 2}
        | {"dataset__class_word": "star", "caption__max_tokens": 150},
    ],
    ids=lambda own: ",".join(own),
)
def test_a_run_has_the_same_bits_whether_they_are_kept_or_not(
    pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, own: dict[str, Any]
) -> None:
    config = make_config(pictures, **ALONE | own)
    live, told, meant = trained(tmp_path / "kept", config)
    need, captions = estimate(config, len(live.plan.items), "cpu"), live.stepper._captions
    assert 0 < captions.bytes <= live.plan.captions * need.caption_bytes
    assert captions.bytes == len(captions._kept) * need.caption_bytes  # as the plan counts it
    assert logged(live, "phase")[-1]["words_kept"] == live.plan.captions * need.caption_bytes
    with monkeypatch.context() as patch:
        patch.setattr(Room, "words", lambda *_: 0)
        other, again, found = trained(tmp_path / "anew", config)
    assert other.stepper._captions.bytes == 0
    assert again == told and equal(found, meant)
    if config.model.quantize != "off" or config.train.batch > 1:
        return
    with monkeypatch.context() as patch:  # and as every run before had it
        patch.setattr(CaptionProducts, "of", lambda *_: ())
        patch.setattr(TimeEmbeddings, "of", lambda *_: ())
        _, again, found = trained(tmp_path / "before", config)
    assert again == told and equal(found, meant)


@pytest.mark.slow
def test_a_run_goes_on_with_them_or_without(pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = make_config(pictures, **ALONE | {"train__batch": 2})
    _, _, meant = trained(tmp_path / "whole", config)
    live = begin(tmp_path / "part", config)
    went(live, 2)
    live._save().wait()
    monkeypatch.setattr(Room, "words", lambda *_: 0)
    resumed, _, found = trained(tmp_path / "part", config)
    assert resumed.stepper._captions.bytes == 0 and equal(found, meant)


def passes(learner: Learner) -> tuple[int, int, dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    """Operations of a pass as ever and of one with kept products, and what both gave."""
    assert learner.blocks is not None
    learner.inputs["encoder_hidden_states"] = learner.inputs["encoder_hidden_states"].detach()
    found, counts = [], []
    captions = CaptionProducts(learner.blocks, 2**30)
    words = learner.inputs["encoder_hidden_states"]
    names = [f"a{place}" for place in range(len(words))]
    captions.of(names, words)
    for known in (False, True):
        learner.group.grad.zero_()
        more = {KNOWN: captions.of(names, words)} if known else {}
        with Operations() as seen:
            answer = learner.unet(
                **learner.inputs | {"added_cond_kwargs": learner.inputs["added_cond_kwargs"] | more}
            ).sample
            answer.float().square().mean().backward()
        learner.copy.collect()
        counts.append(seen.count)
        found.append({"answer": answer.detach(), "grad": learner.group.grad.clone()})
    return counts[0], counts[1], found[0], found[1]


def test_a_kept_caption_spares_the_two_products(settings: Callable[..., TrainConfig]) -> None:
    one = Learner(settings(), fused=True)
    one.inputs = {
        name: value[:1].detach() if isinstance(value, torch.Tensor) else {key: own[:1] for key, own in value.items()}
        for name, value in one.inputs.items()
    }
    before, after, found, meant = passes(one)
    assert before - after == one.blocks.products  # type: ignore[union-attr]
    assert all(torch.equal(found[name], meant[name]) for name in meant)


def test_of_a_quantized_base_it_spares_making_the_weights_whole(
    settings: Callable[..., TrainConfig], monkeypatch: pytest.MonkeyPatch
) -> None:
    own = learner(monkeypatch, coded("nf4"), settings(), fused=True)
    before, after, found, meant = passes(own)
    assert before - after >= 2 * own.blocks.products  # type: ignore[union-attr]
    assert all(torch.allclose(found[name], meant[name], rtol=1e-5, atol=1e-7) for name in meant)


def test_a_caption_is_multiplied_by_itself_and_room_is_a_limit(settings: Callable[..., TrainConfig]) -> None:
    own = Learner(settings(), fused=True)
    assert own.blocks is not None
    words = own.inputs["encoder_hidden_states"].detach()[:1].repeat(3, 1, 1) + torch.tensor([0.0, 1, 2]).view(3, 1, 1)
    size = sum(one.numel() for one in own.blocks.frozen(words[0])) * 4
    captions = CaptionProducts(own.blocks, 2 * size + 1)
    together = captions.of(["a", "b", None], words)
    assert captions.bytes == 2 * size
    for place, name in enumerate(("a", "b", None)):
        assert all(
            torch.equal(one[0], other[place])
            for one, other in zip(captions.of([name], words[place : place + 1]), together, strict=True)
        )
    assert captions.bytes == 2 * size
