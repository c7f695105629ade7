"""A trainer that is stopped in its first moments, wherever it is by then: 130, and a sentence for what is there."""

from __future__ import annotations

import io
import os
import signal
from pathlib import Path

import pytest

from loratui.commands.follow import follow
from loratui.runs.launch import start
from tests.loratui.runs.test_find import make
from trainer.contract.run import exits


@pytest.mark.usefixtures("cold")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize(
    ("saved", "said"), [(0, "nothing was saved yet"), (40, "its checkpoint of step 40 is as it was")]
)
def test_a_trainer_stopped_at_once(tmp_path: Path, number: int, saved: int, said: str) -> None:
    run = make(tmp_path, "run")
    if saved:
        run.checkpoint(saved).mkdir(parents=True)
        (run.checkpoint(saved) / "manifest.json").write_text('{"lora.safetensors": "", "optimizer.safetensors": ""}')
    pid = start(run)
    os.kill(pid, number)
    out = io.StringIO()
    assert follow(run, out, pid=pid) == exits.STOPPED
    assert out.getvalue().startswith(f"stopped before training began; {said}: loratui resume ")
