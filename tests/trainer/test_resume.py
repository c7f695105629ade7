"""Exact resume: a run cut off after any step, and taken up again, ends with the bytes of one that was not."""

from __future__ import annotations

import random
import shutil
import time
from pathlib import Path
from typing import Any

import pytest

from tests.trainer.conftest import make_config, make_run, start, train
from trainer.contract.config import TrainConfig
from trainer.contract.events import Tail
from trainer.contract.lock import lock_holder
from trainer.contract.rundir import RunDir

pytestmark = pytest.mark.slow
STEPS = 12
KILLS = 6

WAYS: dict[str, dict[str, Any]] = {
    "prodigy": {"prodigy__d0": 1e-3, "dataset__flip": True, "dataset__caption_dropout": 0.3, "train__dropout": 0.1},
    "adamw": {"train__optimizer": "adamw", "train__schedule": "cosine", "train__warmup_steps": 3},
    "text encoders": {
        "pivotal__enabled": False,
        "text_encoder_lora__enabled": True,
        "text_encoder_lora__fraction": 0.5,
        "prodigy__d0": 1e-3,
    },
    "prior and accumulation": {"prior__enabled": True, "prior__images": 3, "train__batch": 1, "train__accumulation": 2},
}


def twelve_steps(pictures: Path, **own: Any) -> TrainConfig:
    values = {"train__steps": STEPS, "train__checkpoint_every": 1, "train__keep_checkpoints": 99} | own
    return make_config(pictures, **values)


def cut_after(whole: RunDir, folder: Path, step: int) -> RunDir:
    """A copy of a run as a power cut after `step` would leave it."""
    cut = RunDir(folder)
    shutil.copytree(whole.path, cut.path)
    shutil.rmtree(cut.export)
    for later in range(step + 1, STEPS + 1):
        shutil.rmtree(cut.checkpoint(later))
    return cut


def assert_same(one: RunDir, other: RunDir) -> None:
    for name in ("lora.safetensors", "embeddings.safetensors", "optimizer.safetensors"):
        assert (one.checkpoint(STEPS) / name).read_bytes() == (other.checkpoint(STEPS) / name).read_bytes()
    for path in one.export.glob("*.safetensors"):
        assert path.read_bytes() == (other.export / path.name).read_bytes()


@pytest.mark.parametrize("way", WAYS)
def test_resume_after_every_step_ends_bit_equal(pictures: Path, tmp_path: Path, way: str) -> None:
    whole = make_run(tmp_path / "whole", twelve_steps(pictures, **WAYS[way]))
    train(whole)
    for step in range(1, STEPS):  # the pivot is after step 6
        cut = cut_after(whole, tmp_path / f"cut-{step}", step)
        events = train(cut)
        assert [event["resumed_from"] for event in events if event["type"] == "run"][-1] == step
        assert_same(cut, whole)
        shutil.rmtree(cut.path)


def test_a_run_resumed_twice_in_a_row_ends_bit_equal(pictures: Path, tmp_path: Path) -> None:
    whole = make_run(tmp_path / "whole", twelve_steps(pictures))
    train(whole)
    once = cut_after(whole, tmp_path / "once", 3)
    train(once)
    twice = cut_after(once, tmp_path / "twice", 7)
    train(twice)
    assert_same(twice, whole)


def test_kills_at_random_moments_never_change_the_end(pictures: Path, tmp_path: Path) -> None:
    own = twelve_steps(pictures)
    whole, torn = make_run(tmp_path / "whole", own), make_run(tmp_path / "torn", own)
    train(whole)
    chance = random.Random(0)
    for _ in range(KILLS):
        process = start(torn)
        wait_until_it_trains(torn, process.pid)
        time.sleep(chance.uniform(0, 0.8))
        process.kill()
        process.wait(10)
        assert lock_holder(torn.lock) is None
    process = start(torn)
    assert process.wait(120) == 0, torn.log.read_text()
    assert_same(torn, whole)
    steps = [event["step"] for event in Tail(torn.events).read() if event["type"] == "step"]
    assert steps[-1] == STEPS


def wait_until_it_trains(run: RunDir, pid: int) -> None:
    until = time.monotonic() + 60
    while time.monotonic() < until:
        own = [event for event in Tail(run.events).read() if event["type"] in ("run", "step", "end")]
        began = [place for place, event in enumerate(own) if event["type"] == "run" and event["pid"] == pid]
        if began and len(own) > began[-1] + 1:
            return
        time.sleep(0.02)
    raise AssertionError(run.log.read_text())
