"""Exact resume: a run cut off after any step, and taken up again, ends with the bytes of one that was not."""

from __future__ import annotations

import json
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.trainer.conftest import make_config, make_run, start, train
from tests.trainer.trap_parts import begin
from trainer.checkpoints.snapshot import LossScale, load_checkpoint
from trainer.contract.run.events import Tail
from trainer.contract.run.lock import lock_holder
from trainer.contract.run.rundir import RunDir
from trainer.contract.settings.config import TrainConfig
from trainer.step import loss_scale

pytestmark = pytest.mark.slow
STEPS = 6
KILLS = 30

WAYS: dict[str, dict[str, Any]] = {
    "prodigy": {"prodigy__d0": 1e-3, "dataset__flip": True, "dataset__caption_dropout": 0.3, "train__dropout": 0.1}
    | {"train__ema": 0.5},
    "eight bits, with buckets": {"train__optimizer": "adamw-8bit", "dataset__buckets": True, "train__ema": 0.0},
    "adamw": {"train__optimizer": "adamw", "train__schedule": "cosine", "train__warmup_steps": 3},
    "text encoders": {
        "pivotal__enabled": False,
        "text_encoder_lora__enabled": True,
        "text_encoder_lora__fraction": 0.5,
        "train__ema": 0.5,
        "prodigy__d0": 1e-3,
    },
    "a base in nf4": {"model__quantize": "nf4", "train__precision": "bf16", "prodigy__d0": 1e-3},
    "prior and accumulation": {"prior__enabled": True, "prior__images": 3, "train__batch": 1, "train__accumulation": 2}
    | {"dataset__class_word": "star", "train__timesteps": "stratified", "train__noise_pairs": True},
}


# after every step, with the pivot after the third; where only the optimizer's state is another, around that
CUTS = {"eight bits, with buckets": (1, 3, 4), "a base in nf4": (2, 3), "adamw": (2, 3), "text encoders": (2, 3, 4)}
CUTS |= {"prior and accumulation": (1, 3, 4)}


def six_steps(pictures: Path, **own: Any) -> TrainConfig:
    values = {
        "train__steps": STEPS,
        "train__checkpoint_every": 1,
        "train__keep_checkpoints": 99,
        "sample__steps": 1,
    } | own
    return make_config(pictures, **values)


def cut_after(whole: RunDir, folder: Path, step: int) -> RunDir:
    """A copy of a run as a power cut after `step` would leave it."""
    cut = RunDir(folder)
    shutil.copytree(whole.path, cut.path)
    shutil.rmtree(cut.export)
    for later in range(step + 1, STEPS + 1):
        shutil.rmtree(cut.checkpoint(later), ignore_errors=True)  # not every step has one in every run
    return cut


def assert_same(one: RunDir, other: RunDir) -> None:
    for name in ("lora.safetensors", "embeddings.safetensors", "optimizer.safetensors"):
        assert (one.checkpoint(STEPS) / name).read_bytes() == (other.checkpoint(STEPS) / name).read_bytes()
    for path in one.export.glob("*.safetensors"):
        assert path.read_bytes() == (other.export / path.name).read_bytes()


@pytest.mark.parametrize("way", WAYS)
def test_resume_after_every_step_ends_bit_equal(pictures: Path, tmp_path: Path, way: str) -> None:
    whole = make_run(tmp_path / "whole", six_steps(pictures, **WAYS[way]))
    train(whole)
    for step in CUTS.get(way, range(1, STEPS)):
        cut = cut_after(whole, tmp_path / f"cut-{step}", step)
        events = train(cut)
        assert [event["resumed_from"] for event in events if event["type"] == "run"][-1] == step
        assert_same(cut, whole)
        shutil.rmtree(cut.path)


def test_a_run_resumed_twice_in_a_row_ends_bit_equal(pictures: Path, tmp_path: Path) -> None:
    whole = make_run(tmp_path / "whole", six_steps(pictures))
    train(whole)
    once = cut_after(whole, tmp_path / "once", 2)
    train(once)
    twice = cut_after(once, tmp_path / "twice", 4)
    train(twice)
    assert_same(twice, whole)


def test_pictures_that_a_kill_came_before_are_drawn_at_the_resume(pictures: Path, tmp_path: Path) -> None:
    whole = make_run(tmp_path / "whole", six_steps(pictures, train__sample_every=2))
    train(whole)
    cut = cut_after(whole, tmp_path / "cut", 2)  # saved before it is drawn
    for ending in ("png", "jpg"):
        (cut.samples / f"000002-0.{ending}").unlink()
    train(cut)
    for ending in ("png", "jpg"):
        drawn, again = (run.samples / f"000002-0.{ending}" for run in (whole, cut))
        assert drawn.read_bytes() == again.read_bytes()


@pytest.mark.parametrize(
    ("first", "scales"),
    [(2.0**16, [(2.0**16, 1), (2.0**17, 2)]), (2.0**90, [(2.0**89, 0), (2.0**88, 0)])],
    ids=["grows", "overflows"],
)
def test_the_scale_of_fp16_is_taken_up_where_it_was(
    pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, first: float, scales: list[tuple[float, int]]
) -> None:
    """It is doubled after every second calm step here, and halved by a step that overflows and is passed over."""
    monkeypatch.setattr(loss_scale, "SCALE_PATIENCE", 2)
    monkeypatch.setattr(loss_scale, "FIRST_SCALE", first)
    own = make_config(pictures, train__precision="fp16", train__batch=1, prodigy__d0=1e-3)
    whole = begin(tmp_path / "whole", own)
    saved = []
    for step in (1, 2):
        whole._one_step(step)
        whole._save()
        assert whole.saver.wait()
        saved.append(load_checkpoint(whole.run.checkpoint(step)))
    assert [one.loss_scale for one in saved] == [LossScale(*one) for one in scales]
    shutil.rmtree(whole.run.checkpoint(2))
    resumed = begin(tmp_path / "whole", own)
    assert resumed.done == 1 and resumed.stepper.scaler.saved() == LossScale(*scales[0])
    resumed._one_step(2)
    assert resumed.stepper.scaler.saved() == LossScale(*scales[1])
    resumed._save()
    assert resumed.saver.wait()
    again = load_checkpoint(resumed.run.checkpoint(2))
    for kind in ("lora", "embeddings", "optimizer"):
        one, other = getattr(saved[1], kind), getattr(again, kind)
        assert set(one) == set(other) and all(torch.equal(one[name], other[name]) for name in one)


def test_another_precision_keeps_no_scale_and_takes_up_none(pictures: Path, tmp_path: Path) -> None:
    live = begin(tmp_path / "run", make_config(pictures, train__batch=1))
    live._one_step(1)
    live._save()
    assert live.saver.wait()
    assert load_checkpoint(live.run.checkpoint(1)).loss_scale is None
    assert "loss_scale" not in json.loads((live.run.checkpoint(1) / "state.json").read_bytes())
    loss = torch.ones(())
    live.stepper.scaler.restore(LossScale(4.0, 2))  # of a checkpoint in fp16, from which a person went on in this one
    assert live.stepper.scaler.scaled(loss) is loss


def whole_seconds(run: RunDir) -> float:
    """Train to the end in a process of its own; how many seconds that takes."""
    began = time.monotonic()
    assert start(run).wait() == 0, run.log.read_text()
    return time.monotonic() - began


def kill_after(run: RunDir, seconds: float) -> int:
    """Start, wait, kill -9; returns the exit code, which is not -9 where the run was over before."""
    child = start(run)
    time.sleep(seconds)
    child.kill()
    return child.wait()


def test_thirty_kills_at_random_moments_never_change_the_end(pictures: Path, tmp_path: Path) -> None:
    own = six_steps(pictures, train__sample_every=5)
    whole, torn = make_run(tmp_path / "whole", own), make_run(tmp_path / "torn-0", own)
    chance = random.Random(0)
    whole_seconds(whole)
    length = whole_seconds(make_run(tmp_path / "again", own))  # the first one filled the caches
    kills, over = 0, 0
    while kills < KILLS:
        code = kill_after(torn, chance.uniform(0, length / 2))
        assert code in (-signal.SIGKILL, 0), torn.log.read_text()
        kills += code == -signal.SIGKILL
        if code == 0:  # it got to its end between two kills: the next one starts anew
            assert_same(torn, whole)
            over += 1
            torn = make_run(tmp_path / f"torn-{over}", own)
    assert lock_holder(torn.lock) is None
    done = subprocess.run(
        [sys.executable, "-m", "loratui", "resume", str(torn.path)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr + torn.log.read_text()
    assert_same(torn, whole)
    steps = [event["step"] for event in Tail(torn.events).read() if event["type"] == "step"]
    assert steps[-1] == STEPS
    print(f"\n{kills} kills, {over} runs that reached their end between them")
