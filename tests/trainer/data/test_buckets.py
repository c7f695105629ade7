"""Aspect-ratio buckets in the trainer: one size a step, every picture equally often, the same draws."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from safetensors.torch import load_file

from tests.trainer.conftest import draw_dataset, make_config, make_run, train
from trainer.contract.settings.config import TrainConfig
from trainer.data.dataset import ViewPlan, read_dataset

SIZES = ((300, 300), (300, 290), (400, 200), (410, 200), (200, 400), (320, 310), (290, 300))


@pytest.fixture(scope="module")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Seven pictures of three shapes."""
    folder = tmp_path_factory.mktemp("shapes")
    for place, size in enumerate(SIZES):
        Image.effect_noise(size, 60).convert("RGB").save(folder / f"{place}.png")
    return folder


def bucketed(folder: Path, resolution: int = 256, **own: Any) -> TrainConfig:
    return make_config(folder, dataset__buckets=True, train__resolution=resolution, **own)


def test_a_step_has_one_size(shapes: Path) -> None:
    own = bucketed(shapes, train__batch=2, train__accumulation=2)
    plan = ViewPlan(read_dataset(own), (), own)
    for step in range(1, 40):
        views = [view for micro in range(2) for view in plan.micro_batch(step, micro)]
        (size,) = {view.geometry.size for view in views}
        assert all(side % 64 == 0 for side in size)
    seen = {view.geometry.size for step in range(1, 40) for view in plan.micro_batch(step, 0)}
    assert len(seen) == 3


@pytest.mark.parametrize("repeats", [1, 3])
@pytest.mark.parametrize("batch", [1, 2, 5])
def test_every_picture_is_seen_equally_often(shapes: Path, batch: int, repeats: int) -> None:
    own = bucketed(shapes, train__batch=batch, dataset__repeats=repeats)
    plan = ViewPlan(read_dataset(own), (), own)
    cycle = len(SIZES) * repeats
    for first in (1, cycle + 1):
        steps = range(first, first + cycle)
        seen = Counter(view.item.name for step in steps for view in plan.micro_batch(step, 0))
        assert seen == Counter({f"{place}.png": batch * repeats for place in range(len(SIZES))})


def test_four_passes_of_one_see_what_one_pass_of_four_sees(shapes: Path) -> None:
    options = {"dataset__flip": True, "dataset__crop": "random", "train__timesteps": "stratified"}
    wide = bucketed(shapes, train__batch=4, **options)
    deep = bucketed(shapes, train__batch=1, train__accumulation=4, **options)
    items = read_dataset(wide)
    for step in (1, 2, 7, 30):
        parts = tuple(view for micro in range(4) for view in ViewPlan(items, (), deep).micro_batch(step, micro))
        assert ViewPlan(items, (), wide).micro_batch(step, 0) == parts


@pytest.mark.parametrize("steps", [2, 500])
def test_what_is_encoded_beforehand_is_all_that_a_run_sees(shapes: Path, steps: int) -> None:
    own = bucketed(shapes, train__steps=steps, dataset__flip=True)
    items = read_dataset(own)
    plan = ViewPlan(items, items[:2], own)
    encoded = {(view.item.name, view.geometry) for view in plan.distinct_views()}
    looked = [view for step in range(1, min(steps, 60) + 1) for view in plan.micro_batch(step, 0)]
    assert {(view.item.name, view.geometry) for view in looked} <= encoded
    assert {view.geometry.size for view in looked if view.prior} <= {view.geometry.size for view in looked}


@pytest.mark.slow
def test_a_run_with_buckets_and_class_pictures_trains(shapes: Path, tmp_path: Path) -> None:
    real = draw_dataset(tmp_path / "class", captions=False, grey=200)
    own = bucketed(
        shapes,
        128,
        train__steps=4,
        train__accumulation=2,
        dataset__class_word="star",
        prior__enabled=True,
        prior__path=str(real),
        prior__images=3,
    )
    run = make_run(tmp_path / "run", own)
    events = train(run)
    assert [event["step"] for event in events if event["type"] == "step"] == [1, 2, 3, 4]
    sizes = {tuple(load_file(path)["mean"].shape[1:]) for path in _latents()}
    assert len(sizes) >= 2


def _latents() -> list[Path]:
    from trainer.contract.run.rundir import cache_folder

    return list((cache_folder() / "latents").glob("*.safetensors"))
