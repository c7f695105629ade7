"""The model card as the hub reads it: its front matter, and the pictures of the step that is exported."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from tests.trainer.conftest import make_config, make_run
from trainer.contract.run.rundir import RunDir
from trainer.contract.settings.config import TrainConfig
from trainer.contract.settings.model import SDXL
from trainer.export.card import model_card
from trainer.export.files import _copy_samples

ODD = 'a TOK "star": \\ [x](y)\nlicense: mine # no'


def front(card: str) -> dict[str, Any]:
    """The YAML between the first two lines of three dashes."""
    found: dict[str, Any] = yaml.safe_load(card.split("---\n")[1])
    return found


def test_the_front_matter_holds_base_licence_and_pictures_with_their_prompts(
    settings: Callable[..., TrainConfig],
) -> None:
    config = settings(model__base=SDXL, sample__prompts=["a TOK star", ODD], dataset__instance_prompt=ODD)
    found = front(model_card(config, 5, 6, ["sample-0.png", "sample-1.png"]))
    assert found["base_model"] == SDXL
    assert found["license"] == "openrail++"
    assert found["instance_prompt"] == ODD
    assert found["widget"] == [
        {"text": "a TOK star", "output": {"url": "sample-0.png"}},
        {"text": ODD, "output": {"url": "sample-1.png"}},
    ]
    assert {"text-to-image", "lora", "diffusers"} < set(found["tags"])


def test_of_another_base_model_no_licence_is_claimed_and_no_folder_is_told(
    settings: Callable[..., TrainConfig],
) -> None:
    found = front(model_card(settings(), 5, 6, []))
    assert not {"license", "base_model", "widget"} & set(found)
    assert "license" not in front(model_card(settings(model__base="someone/other-xl"), 5, 6, []))


def test_the_pictures_are_the_newest_up_to_the_step_and_never_the_base_models(tmp_path: Path, pictures: Path) -> None:
    run: RunDir = make_run(tmp_path / "run", make_config(pictures))
    run.samples.mkdir()
    for name in ("000000-0", "000300-0", "000300-1", "000600-0"):
        (run.samples / f"{name}.png").write_text(name)

    def copied(step: int) -> dict[str, str]:
        out = tmp_path / str(step)
        out.mkdir()
        assert sorted(_copy_samples(run, out, 2, step)) == sorted(path.name for path in out.iterdir())
        return {path.name: path.read_text() for path in out.iterdir()}

    assert copied(200) == {}
    assert copied(300) == {"sample-0.png": "000300-0", "sample-1.png": "000300-1"}
    assert copied(599) == {"sample-0.png": "000300-0", "sample-1.png": "000300-1"}
    assert copied(600) == {"sample-0.png": "000600-0"}
