"""Validation pictures of one run: several of a prompt, each with its seed and its negative prompt; in trackers too."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionXLPipeline
from PIL import Image

from tests.trainer.conftest import make_config, make_run, train
from trainer.contract.basemodel.inspect import small_model
from trainer.contract.run.rundir import RunDir
from trainer.samples.generate import main as generate

pytestmark = pytest.mark.slow
WRITTEN = "a red star --n a blue heart, TOK --d 3"
SEEDS = [3, 4, 0, 1, 2, 3]
OWN = {"sample__prompts": [WRITTEN, "a red star", "a red star"], "sample__count": 2, "train__steps": 2}
OWN |= {"sample__at_start": True}


@pytest.fixture(scope="module")
def told(pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[RunDir, list[dict[str, Any]]]:
    """The run and its sample events. Its trigger stands in the negative prompt: new tokens there too."""
    own = make_config(pictures, **OWN, prodigy__d0=1e-3, tracker__names=["tensorboard"], tracker__pictures=True)
    run = make_run(tmp_path_factory.mktemp("run"), own)
    return run, [event for event in train(run) if event["type"] == "sample"]


def pixels(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path)).astype(int)


def test_each_picture_has_its_own_seed(told: tuple[RunDir, list[dict[str, Any]]]) -> None:
    run, events = told
    assert [(one["step"], one["index"]) for one in events] == [(step, index) for step in (0, 2) for index in range(6)]
    assert [one["seed"] for one in events] == SEEDS * 2
    assert [one["prompt"] for one in events[:6]] == [WRITTEN] * 2 + ["a red star"] * 4
    found = [pixels(run.sample(0, index)) for index in range(6)]
    assert all(np.abs(one - other).mean() > 1 for place, one in enumerate(found) for other in found[:place])


def test_a_picture_is_the_one_that_diffusers_draws_from_the_same(told: tuple[RunDir, list[dict[str, Any]]]) -> None:
    run, _ = told
    pipe = StableDiffusionXLPipeline.from_pretrained(small_model())
    pipe.set_progress_bar_config(disable=True)
    size = {"height": 64, "width": 64, "num_inference_steps": 2, "guidance_scale": 5.0}
    drawn = pipe("a red star", generator=torch.Generator().manual_seed(2), **size).images[0]
    assert np.abs(np.asarray(drawn).astype(int) - pixels(run.sample(0, 4))).max() <= 1


def test_generate_reads_the_same_and_draws_the_last_picture(
    told: tuple[RunDir, list[dict[str, Any]]], tmp_path: Path
) -> None:
    run, _ = told
    assert generate([str(run.path), WRITTEN, "--count", "2", "--out", str(tmp_path)]) == 0
    for index, seed in enumerate((3, 4)):
        assert (tmp_path / f"a-red-star-{seed}.png").read_bytes() == run.sample(2, index).read_bytes()
    words = ["a red star", "--negative", "a blue heart, TOK", "--seed", "4", "--out", str(tmp_path / "own.png")]
    assert generate([str(run.path), *words]) == 0
    assert (tmp_path / "own.png").read_bytes() == run.sample(2, 1).read_bytes()


def test_a_bad_seed_is_said_by_generate(
    told: tuple[RunDir, list[dict[str, Any]]], capsys: pytest.CaptureFixture[str]
) -> None:
    assert generate([str(told[0].path), "a star --d x"]) == 2
    assert "'--d x' is not a seed" in capsys.readouterr().err


def test_the_card_shows_words_and_its_code_has_the_rest(told: tuple[RunDir, list[dict[str, Any]]]) -> None:
    card = (told[0].export / "README.md").read_text()
    assert len(re.findall(r'- text: "?a red star"?\n', card)) == 6
    assert "--n" not in card and "--d" not in card
    code = re.search(r"```python\n(.*?)```", card, re.S)[1]
    assert "negative_prompt='a blue heart, <s0><s1>'," in code and "manual_seed(3)" in code


def test_tensorboard_has_the_pictures_with_prompt_and_step(told: tuple[RunDir, list[dict[str, Any]]]) -> None:
    pytest.importorskip("tensorboard", reason="needs tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    run, events = told
    reader = EventAccumulator(str(run.trackers / "tensorboard"), size_guidance={"images": 0})
    reader.Reload()
    assert set(reader.Tags()["images"]) == {
        f"samples/{one['index']}: {one['prompt']} (seed {one['seed']})" for one in events
    }
    for event in events:
        kept = reader.Images(f"samples/{event['index']}: {event['prompt']} (seed {event['seed']})")
        assert [one.step for one in kept] == [0, 2]
        shown = np.asarray(Image.open(io.BytesIO(kept[event["step"] // 2].encoded_image_string))).astype(int)
        assert np.array_equal(shown, pixels(run.path / event["path"]))
    assert [one.step for one in reader.Scalars("loss")] == [1, 2]
