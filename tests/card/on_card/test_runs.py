"""A run on a GPU is the run that the processor makes, its steps wait for nothing, and its passes are recorded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.card.card import Card
from tests.card.on_card.courses import PIVOT, STEPS, course

# by hand and layer by layer, with the words and without, in several passes, with class pictures, at several sizes
RECORDED: list[dict[str, Any]] = [
    {},
    {"train__targets": "all-linear", "train__accumulation": 2, "train__measure": True, "sample__at_start": True},
    {"pivotal__enabled": False, "text_encoder_lora__enabled": True, "text_encoder_lora__fraction": PIVOT / STEPS},
    {"dataset__buckets": True, "dataset__flip": True, "dataset__caption_dropout": 0.4, "train__optimizer": "adamw"},
]
PLAIN: list[dict[str, Any]] = [
    {"train__dora": True, "train__dropout": 0.1, "sample__tiles": True, "train__sample_every": 3},
    {"adapter__kind": "lokr", "caption__shuffle": True, "noise__multires_iterations": 2, "train__noise_offset": 0.1},
]


@pytest.mark.parametrize("own", [*RECORDED, *PLAIN], ids=lambda own: ", ".join(own))
def test_it_is_the_processors_run(pictures: Path, tmp_path: Path, card: Card, own: dict[str, Any]) -> None:
    expected = course(tmp_path / "processor", pictures, "cpu", card, **own)
    found = course(tmp_path / "card", pictures, "cuda", card, **own)
    assert found.losses == pytest.approx(expected.losses, rel=1e-4)
    assert found.told == expected.told
    assert expected.recorded == 0 and bool(found.recorded) == (own in RECORDED)


@pytest.mark.parametrize(
    "own", [{}, {"train__precision": "fp16"}, {"train__graphs": "off"}], ids=lambda own: ", ".join(own)
)
def test_its_steps_wait_for_nothing(pictures: Path, tmp_path: Path, card: Card, own: dict[str, Any]) -> None:
    found = course(tmp_path / "run", pictures, "cuda", card, train__batch=1, train__steps=12, **own)
    assert len(found.waits) == 12
    recorded = [waits for waits in found.waits if "read by the host" in waits]  # the first replay is looked at
    assert len(recorded) == found.recorded == ("train__graphs" not in own)
    rest = found.waits[1:]  # the embeddings of noise levels are made once
    assert [waits for waits in rest if waits and waits not in recorded] == []
