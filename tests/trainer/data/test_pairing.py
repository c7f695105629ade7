"""Each picture meets its own words, sizes and noise: the loss of a batch is that of its samples, one at a time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from tests.trainer.conftest import draw_dataset, make_config
from trainer.contract.settings.taught import ClassSet
from trainer.data.dataset import View, ViewPlan, read_class_items, read_dataset
from trainer.data.latents import LatentCache
from trainer.ground.world import World
from trainer.model.parts import fix_pooling, load_parts
from trainer.model.prompts import PromptCache
from trainer.step.batch import DeviceBatch
from trainer.step.step import Stepper
from trainer.step.trainee import make_trainee

WORDS: dict[str, dict[str, Any]] = {
    "pivotal tuning": {},
    "text encoder LoRA": {"pivotal__enabled": False, "text_encoder_lora__enabled": True},
    "frozen encoders": {"pivotal__enabled": False},
}


def stepper(folder: Path, captions: bool, **own: Any) -> Stepper:
    """A stepper with class pictures; with frozen encoders every prompt is a constant and they are gone."""
    config = make_config(draw_dataset(folder / "mine", captions), train__steps=9, prior__enabled=True, **own)
    parts = load_parts(config, torch.device("cpu"))
    fix_pooling(parts.text_encoders, parts.tokenizers)
    items = read_dataset(config)
    shown = ClassSet(1, str(draw_dataset(folder / "class", grey=120)), "a photo of a thing")
    classes = read_class_items(shown, config)
    plan = ViewPlan(items, classes, config)
    trainee = make_trainee(parts, config)
    with torch.no_grad():  # an untrained LoRA is silent: what it adds must be heard
        for layer in trainee.layers.values():
            layer.up.normal_(std=0.05, generator=torch.Generator().manual_seed(1))
    latents = LatentCache(folder / "cache", config.dataset.background)
    latents.use(parts.vae, parts.device)
    prompts = PromptCache(parts)
    if trainee.pivot is None:
        prompts.add([item.prompt for item in items + classes])
        parts.release_encoders()
    return Stepper(parts, trainee, plan, latents, prompts, config, World())


def loss_of(steps: Stepper, views: tuple[View, ...]) -> torch.Tensor:
    host = steps._maker.of(views)
    whole = steps._loss(DeviceBatch.of(host, steps._words(host), steps.device), host.mine)
    return whole.reshape(-1)[0]  # with class pictures its parts stand behind


@pytest.mark.slow
@pytest.mark.parametrize("batch", [1, 2, 3])
@pytest.mark.parametrize("captions", [True, False])
@pytest.mark.parametrize("words", WORDS)
def test_the_loss_of_a_batch_is_that_of_its_samples(tmp_path: Path, words: str, captions: bool, batch: int) -> None:
    steps = stepper(tmp_path, captions, train__batch=batch, **WORDS[words])
    views = steps._plan.micro_batch(3, 0)
    assert [view.prior for view in views] == [False] * batch + [True] * batch
    with torch.no_grad():
        whole = float(loss_of(steps, views))
        parts = [float(loss_of(steps, (view,))) for view in views]
    assert whole == pytest.approx(sum(parts), rel=1e-4)
    assert len({round(one, 6) for one in parts}) == 2 * batch  # no two of them alike: a swap would be seen


def test_a_class_picture_is_never_given_the_words_of_the_concept(tmp_path: Path) -> None:
    steps = stepper(tmp_path, captions=False, train__batch=3)
    views = steps._plan.micro_batch(1, 0)
    assert [view.item.prompt for view in views] == ["a photo of a TOK"] * 3 + ["a photo of a thing"] * 3
    assert {view.item.path.parent.name for view in views[3:]} == {"class"}
    found = steps._words(steps._maker.of(views)).hidden
    assert torch.equal(found[0], found[2]) and torch.equal(found[3], found[5])
    assert not torch.allclose(found[0], found[3], atol=1e-3)
