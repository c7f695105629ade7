"""`loratui resume RUN --set train.steps=N`: a run that was completed, killed or stopped is made longer."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from loratui.runs.find import run_info
from trainer.contract.run.lock import lock_holder
from trainer.contract.run.rundir import RunDir
from trainer.contract.settings.arithmetic import text_frozen_after
from trainer.contract.settings.config import load_config

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("warm_trainer")]
LoraTUI = Callable[..., subprocess.CompletedProcess[str]]
ENDLESS = 100000


def wait_for(what: Callable[[], object], seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.05)


def test_a_completed_a_killed_and_a_stopped_run_are_made_longer(
    loratui: LoraTUI, answers_file: Path, tmp_path: Path
) -> None:
    run = RunDir(tmp_path / "run")

    def longer(steps: int, *more: str) -> str:
        done = loratui("resume", run.path, "--set", f"train.steps={steps}", *more)
        assert done.returncode == 0, done.stdout + done.stderr
        assert f"to {steps}" in done.stdout and "The pivot stays after step 1." in done.stdout
        assert text_frozen_after(load_config(run.config)) == 1
        return done.stdout

    first = loratui(
        "replay", answers_file, "--out", run.path, "--set", "train.steps=2", "--set", "pivotal.enabled=true"
    )
    assert first.returncode == 0, first.stdout + first.stderr
    said = longer(3)
    assert "it ends as a run of 3 steps with the pivot there would have ended" in said
    assert "resuming from step-000002" in said and "completed at step 3" in said
    less = loratui("resume", run.path, "--set", "train.steps=3")
    assert less.returncode == 2 and "--set train.steps=6" in less.stderr

    longer(ENDLESS, "--detach")
    wait_for(lambda: run_info(run).step > 4)
    holder = lock_holder(run.lock)
    assert holder is not None
    os.kill(holder.pid, signal.SIGKILL)
    wait_for(lambda: run_info(run).state == "crashed")
    assert "resuming from step-000003" in longer(ENDLESS + 1, "--detach")
    wait_for(lambda: run_info(run).alive and run_info(run).step > 4)

    assert loratui("stop", run.path).returncode == 0
    wait_for(lambda: run_info(run).state == "stopped" and not run_info(run).alive)
    stopped = run_info(run).step
    assert f"completed at step {stopped + 2}" in longer(stopped + 2)
    assert run_info(run).state == "completed"
