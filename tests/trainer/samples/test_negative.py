"""What pictures are led away from, zeros or the empty prompt encoded as the base model says; and their size."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionXLPipeline
from PIL import Image

from tests.trainer.conftest import make_config, make_run, train
from trainer.contract.basemodel.inspect import small_model
from trainer.contract.run.rundir import RunDir
from trainer.samples.class_pictures import class_pictures
from trainer.samples.generate import main as generate

PROMPT = "a red star"  # no trigger: at step 0 the base model alone draws it


def pixels(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path)).astype(int)


def drawn(base: Path, **own: object) -> np.ndarray:
    """What diffusers draws with a base model's folder as it is; the flag is read by diffusers itself."""
    pipe = StableDiffusionXLPipeline.from_pretrained(base)
    pipe.set_progress_bar_config(disable=True)
    seed = torch.Generator().manual_seed(0)
    size = {"height": 64, "width": 64, "num_inference_steps": 2, "guidance_scale": 5.0}
    return np.asarray(pipe(PROMPT, generator=seed, **size, **own).images[0]).astype(int)


@pytest.fixture(scope="module")
def encoded_base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small SDXL as a base model that was made with the empty prompt encoded."""
    base = tmp_path_factory.mktemp("base") / "own"
    shutil.copytree(small_model(), base)
    index = json.loads((base / "model_index.json").read_text())
    (base / "model_index.json").write_text(json.dumps(index | {"force_zeros_for_empty_prompt": False}))
    return base


@pytest.fixture(scope="module")
def run(pictures: Path, encoded_base: Path, tmp_path_factory: pytest.TempPathFactory) -> RunDir:
    own = {"model__base": str(encoded_base), "sample__prompts": [PROMPT], "train__steps": 2, "prodigy__d0": 1e-3}
    own["sample__at_start"] = True
    found = make_run(tmp_path_factory.mktemp("run"), make_config(pictures, **own))
    train(found)
    return found


@pytest.mark.slow
def test_validation_pictures_are_led_away_from_what_the_base_model_says(run: RunDir, encoded_base: Path) -> None:
    first = pixels(run.sample(0, 0))
    assert np.abs(first - drawn(encoded_base)).max() <= 1  # rounding of one level
    assert np.abs(first - drawn(small_model())).mean() > 1  # with zeros it is another picture


@pytest.mark.slow
def test_generate_is_led_away_from_the_same(run: RunDir, tmp_path: Path) -> None:
    """The last picture was drawn after the text encoders were gone: what they said of no words was kept."""
    assert generate([str(run.path), PROMPT, "--base", "--out", str(tmp_path)]) == 0
    base, trained = sorted(tmp_path.iterdir(), key=lambda one: "-base" not in one.name)
    assert base.name == trained.name.replace(".png", "-base.png")
    assert trained.read_bytes() == run.sample(2, 0).read_bytes()
    assert 'src="000002-0.jpg"' in (run.samples / "index.html").read_text(), "the page of the run's pictures"
    assert base.read_bytes() == run.sample(0, 0).read_bytes(), "beside it: what the base model draws of the same"


@pytest.mark.slow
def test_class_pictures_are_led_away_from_the_same_and_are_not_those_with_zeros(
    pictures: Path, encoded_base: Path, tmp_path: Path
) -> None:
    from trainer.model.parts import fix_pooling, load_parts

    found = []
    for base in (small_model(), encoded_base):
        own = make_config(pictures, model__base=str(base), prior__enabled=True, prior__images=1, prior__prompt=PROMPT)
        parts = load_parts(own, torch.device("cpu"))
        fix_pooling(parts.text_encoders, parts.tokenizers)
        (item,) = class_pictures(own, (), parts, tmp_path, lambda done, total: None)
        found.append(item)
    assert found[0].digest != found[1].digest
    assert len(list(tmp_path.glob("class-*"))) == 2


@pytest.mark.slow
def test_pictures_have_the_size_that_their_prompt_or_the_settings_say(pictures: Path, tmp_path: Path) -> None:
    own = {"sample__prompts": [PROMPT, f"{PROMPT} --h 128"], "sample__width": 96, "train__steps": 1}
    run = make_run(tmp_path / "run", make_config(pictures, train__sample_every=1, **own))
    train(run)
    assert [Image.open(run.sample(1, index)).size for index in (0, 1)] == [(96, 64), (96, 128)]
    out = tmp_path / "one.png"
    assert generate([str(run.path), f"{PROMPT} --w 128 --h 72", "--steps", "1", "--out", str(out)]) == 0
    assert Image.open(out).size == (128, 72)
