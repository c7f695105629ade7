"""Each picture meets its own words, sizes and noise: the loss of a batch is that of its samples, one at a time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

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


def stepper(folder: Path, captions: bool, mine: Path | None = None, **own: Any) -> Stepper:
    """On `mine` or the five, with class pictures; with frozen encoders every prompt is a constant and they are gone."""
    mine = mine or draw_dataset(folder / "mine", captions)
    config = make_config(mine, train__steps=9, prior__enabled=True, **own)
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


@pytest.mark.slow
def test_masks_weigh_the_pictures_of_the_buckets_and_leave_those_of_the_class_whole(tmp_path: Path) -> None:
    """The oracle: each view's error, latent by latent, times the mask that numpy cuts of a picture's own pixels."""
    size, outside, weight = (128, 64), 0.25, 0.5
    mine = draw_dataset(tmp_path / "mine", captions=False)
    for place, one in enumerate(sorted(mine.glob("*.png"))):
        Image.effect_noise(size if place % 2 else size[::-1], 60).convert("RGB").save(one)
        mask = np.zeros(Image.open(one).size[::-1], dtype=np.uint8)
        mask[: len(mask) // 2, : mask.shape[1] // 4 + 8 * place] = 255
        Image.fromarray(mask).save(mine / f"{one.stem}-masklabel.png")
    own = {"mask__enabled": True, "mask__outside": outside, "prior__weight": weight, "dataset__buckets": True}
    own |= {"train__batch": 2, "pivotal__enabled": False, "train__min_snr_gamma": 0.0}
    steps = stepper(tmp_path, captions=False, mine=mine, **own)
    sizes = set()
    for step in (1, 2, 3, 4):
        views = steps._plan.micro_batch(step, 0)
        sizes |= {view.geometry.size for view in views}
        with torch.no_grad():
            whole = float(loss_of(steps, views))
            meant = sum(own_loss(steps, view, outside) * (weight if view.prior else 1.0) for view in views) / 2
        assert whole == pytest.approx(meant, rel=1e-4)
    assert sizes == {(128, 64), (64, 128)}


def own_loss(steps: Stepper, view: View, outside: float) -> float:
    """The mean of the weighted squares of one view, from the unet's answer to it alone."""
    host = steps._maker.of((view,))
    device = DeviceBatch.of(host, steps._words(host), steps.device)
    diffusion, parts = steps._diffusion, steps._parts
    answer = parts.unet(
        diffusion.noisy(device.latents, device.noise, device.t),
        diffusion.times(device.t),
        encoder_hidden_states=device.words.hidden,
        added_cond_kwargs={"text_embeds": device.words.pooled, "time_ids": device.geometries},
        return_dict=False,
    )[0]
    squares = (answer - diffusion.target(device.latents, device.noise, device.t)).square()[0]
    if not view.prior:
        file = view.item.path.with_name(f"{view.item.path.stem}-masklabel.png")
        (high, wide), (top, left), (h, w) = view.geometry.resized, view.geometry.corner, view.geometry.size
        white = np.asarray(Image.open(file).resize((wide, high), Image.Resampling.BOX), dtype=np.float32) / 255
        inside = white[top : top + h, left : left + w].reshape(
            squares.shape[1], -1, squares.shape[2], w // squares.shape[2]
        )
        squares = squares * (outside + (1 - outside) * torch.from_numpy(inside.mean(axis=(1, 3))))
    return float(squares.mean())
