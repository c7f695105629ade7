"""Prompts: what StableDiffusionXLPipeline.encode_prompt gives, and constants that are encoded once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from diffusers import StableDiffusionXLPipeline

from trainer.contract.basemodel.inspect import small_model
from trainer.contract.basemodel.text_layers import clip_skip_refusals
from trainer.contract.plan.advice import refusals
from trainer.contract.settings.config import TrainConfig
from trainer.data.listing import listed
from trainer.model.parts import Parts, fix_pooling, load_parts
from trainer.model.prompts import PromptCache, encode
from trainer.step.trainee import make_trainee


@pytest.fixture
def parts(settings: Callable[..., TrainConfig]) -> Parts:
    found = load_parts(settings(), torch.device("cpu"))
    fix_pooling(found.text_encoders, found.tokenizers)
    return found


@torch.no_grad()
def test_an_ordinary_prompt_is_encoded_as_the_pipeline_does(parts: Parts) -> None:
    pipe = StableDiffusionXLPipeline.from_pretrained(small_model())
    for prompt in ("a red star on a blue background", "", "star " * 100):
        hidden, _, pooled, _ = pipe.encode_prompt(prompt, device="cpu", do_classifier_free_guidance=False)
        found = encode(parts, [prompt])
        assert torch.equal(found.hidden, hidden)
        assert torch.equal(found.pooled, pooled)


@torch.no_grad()
@pytest.mark.parametrize("skipped", range(12))
def test_as_many_layers_are_left_out_as_there_are_and_more_are_refused(
    skipped: int, parts: Parts, settings: Callable[..., TrainConfig]
) -> None:
    """The plan's and the trainer's refusal says it before the encoders would fail, and refuses nothing that works."""
    own = settings(model__clip_skip=skipped)
    refused = listed(own).refused
    assert list(refused) == refusals(own) == clip_skip_refusals(own.model)
    if not refused:
        encode(replace(parts, clip_skip=skipped), ["a star"])
        return
    (said,) = refused
    assert said.startswith(f"model.clip_skip is {skipped}, and") and "2 layers" in said and "set it to 1 or" in said
    with pytest.raises(IndexError):
        encode(replace(parts, clip_skip=skipped), ["a star"])


def test_constants_are_encoded_once_and_the_rest_keeps_its_gradient(
    parts: Parts, settings: Callable[..., TrainConfig]
) -> None:
    trainee = make_trainee(parts, settings())
    cache, calls = PromptCache(parts), []
    parts.text_encoders[0].register_forward_hook(lambda _m, inputs, _out: calls.append(len(inputs[0])))
    cache.add(["a star", "a heart", "a star"])
    assert calls == [1, 1]
    found = cache.get(["a heart", "a <s0><s1>", "a star", "a <s0><s1>"])
    assert calls == [1, 1, 1]
    assert torch.equal(found.hidden[1], found.hidden[3])
    found.hidden.sum().backward()
    assert all(float(table.rows.grad.abs().sum()) > 0 for table in trainee.tables)


@pytest.mark.slow
def test_after_the_release_a_prompt_that_is_no_constant_is_an_error(parts: Parts) -> None:
    cache = PromptCache(parts)
    cache.add(["a star"])
    parts.release_encoders()
    assert cache.get(["a star"]).hidden.shape[0] == 1
    with pytest.raises(RuntimeError, match="released"):
        cache.get(["a heart"])
