"""Recordings on a GPU: nothing else is asked of it meanwhile, they end where memory does, a resumed run has them."""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.card.card import Card
from tests.card.on_card.courses import STEPS, course
from tests.trainer.conftest import make_config, make_run
from tests.trainer.trap_parts import begin, logged, same
from trainer.__main__ import main
from trainer.contract.run import exits
from trainer.contract.run.events import Tail
from trainer.contract.run.rundir import RunDir
from trainer.contract.settings.config import load_config
from trainer.ground.determinism import deterministic
from trainer.step.graphs import CudaRecorder
from trainer.step.step import Stepper, TakenStep

RECORDED = 2  # the step whose pass is recorded: the second of its kind
BUSY = 3.0  # seconds after it began by which a thread that nobody waits for would pin memory while it is recorded


def test_no_thread_pins_memory_meanwhile(
    pictures: Path, tmp_path: Path, card: Card, monkeypatch: pytest.MonkeyPatch
) -> None:
    take, lock, began = Stepper.take, Stepper._lock, [float("inf")]

    def noted(stepper: Stepper, step: int) -> TakenStep:
        began[0] = time.monotonic() if step == RECORDED else float("inf")
        return take(stepper, step)

    def late(stepper: Stepper, one: torch.Tensor) -> torch.Tensor:
        while began[0] < time.monotonic() < began[0] + BUSY and not torch.cuda.is_current_stream_capturing():
            time.sleep(0.01)
        return lock(stepper, one)

    monkeypatch.setattr(Stepper, "take", noted)
    monkeypatch.setattr(Stepper, "_lock", late)
    found = course(tmp_path / "run", pictures, "cuda", card, pivotal__enabled=False, train__batch=1, train__steps=4)
    assert len(found.losses) == 4 and not found.told and found.recorded


def test_what_does_not_fit_beside_the_run_is_left(
    pictures: Path, tmp_path: Path, card: Card, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = course(tmp_path / "expected", pictures, "cuda", card, train__graphs="off")
    own = CudaRecorder.record

    def narrow(recorder: CudaRecorder, work: Any) -> Any:
        card.limit(10**6)
        try:
            return own(recorder, work)
        finally:
            card.limit(None)

    monkeypatch.setattr(CudaRecorder, "record", narrow)
    found = course(tmp_path / "found", pictures, "cuda", card)
    assert found.losses == expected.losses and len(found.told) == 1
    assert "no CUDA graph" in found.told[0] and "out of memory" in found.told[0]


def test_a_run_that_does_not_fit_ends_with_words(pictures: Path, tmp_path: Path, card: Card) -> None:
    config = make_config(pictures, train__device="cuda", train__rank=64)
    run = make_run(tmp_path / "run", config)
    card.limit(10**6)
    assert main([str(run.config)]) == exits.MEMORY
    card.limit(None)
    (error,) = [one for one in Tail(run.events).read() if one["type"] == "error"]
    assert error["kind"] == "oom" and error["advice"] and error["vram_total"] > error["vram"] > 0


def test_a_resumed_run_is_the_same_to_the_bit(pictures: Path, tmp_path: Path, card: Card) -> None:
    with deterministic():
        whole = begin(
            tmp_path / "whole", make_config(pictures, train__device="cuda", train__steps=STEPS, train__batch=1)
        )
        whole.train()
        cut = RunDir(shutil.copytree(whole.run.path, tmp_path / "cut"))
        for path in cut.checkpoints.iterdir():
            if path.name > cut.checkpoint(STEPS // 2).name:
                shutil.rmtree(path)
        cut.events.unlink()
        again = begin(cut.path, load_config(cut.config))
        again.train()
    assert [one["loss"] for one in logged(again, "step")] == [one["loss"] for one in logged(whole, "step")][
        STEPS // 2 :
    ]
    states = [one.trainee.snapshot(STEPS, {}) for one in (whole, again)]
    assert same(states[0].lora, states[1].lora) and same(states[0].embeddings, states[1].embeddings)
    assert card.recordings
