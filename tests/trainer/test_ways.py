"""Every technique once, as a whole run: it trains, and its files are proved against the model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from tests.trainer.conftest import make_config, make_run, train

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    "own",
    [
        {"train__precision": "bf16"},
        {"train__precision": "fp16"},
        {"train__gradient_checkpointing": "auto"},
        {"model__quantize": "int8"},
        {"train__optimizer": "adamw"},
        {"train__optimizer": "adamw-8bit"},
        {"train__edm": True, "train__min_snr_gamma": 0.0, "prior__enabled": True, "prior__images": 3}
        | {"dataset__class_word": "star"},
        {"dataset__buckets": True, "model__vae_precision": "fp32", "model__clip_skip": 1},
        {"pivotal__enabled": False},
        {"pivotal__enabled": False, "text_encoder_lora__enabled": True, "text_encoder_lora__fraction": 0.5},
        {"train__dora": True, "train__alpha": 2.0},
        {"train__targets": "all-linear", "train__alpha": 2.0, "export__precision": "fp32"},
        {"train__blocks": ["up_blocks.0.attentions.1"], "train__batch": 1, "train__accumulation": 2},
        {"prior__enabled": True, "prior__images": 3, "dataset__class_word": "star"},
        {"train__dropout": 0.2, "train__noise_offset": 0.05, "dataset__caption_dropout": 0.5},
        {"dataset__trigger": "TOK,STAR", "dataset__flip": True, "dataset__crop": "random"},
    ],
    ids=lambda own: ",".join(own),
)
def test_every_way_to_train_ends_with_proved_files(pictures: Path, tmp_path: Path, own: dict[str, Any]) -> None:
    run = make_run(tmp_path / "run", make_config(pictures, train__steps=2, **own))
    events = train(run)
    assert events[-1]["status"] == "completed"
    steps = [event for event in events if event["type"] == "step"]
    assert all(event["applied"] and event["grad_norm"] > 0 for event in steps)
    assert {one.dtype for one in load_file(run.checkpoint(2) / "lora.safetensors").values()} == {torch.float32}
