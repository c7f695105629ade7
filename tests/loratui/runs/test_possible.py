"""A shell completes a command with the runs with which it has something to do, and with no other."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.loratui.screens.conftest import fake_run, training
from trainer.contract.run.lock import RunLock
from trainer.contract.run.queue import enqueue

END = {"type": "end", "step": 40}
RUNS = {
    "completed": [*training(), {**END, "status": "completed"}],
    "stopped": [*training(), {**END, "status": "stopped"}],
    "paused": [*training(), {"type": "command", "id": "1", "cmd": "pause", "ok": True, "message": "paused"}],
    "training": training(),
    "queued": [],
}
OFFERED = {
    "stop": {"training", "paused"},
    "abort": {"training", "paused"},
    "pause": {"training"},
    "save": {"training", "paused"},
    "resume": {"stopped", "paused"},
    "generate": {"completed"},
    "push": {"completed"},
    "delete": {"completed", "stopped"},
    "queue cancel": {"queued"},
    "queue add": {"stopped"},
    "attach": set(RUNS),
    "diff": set(RUNS),
}


@pytest.fixture
def runs(tmp_path: Path) -> Iterator[Path]:
    """Five runs, each in another state; two of them have a trainer."""
    locks = []
    for name, events in RUNS.items():
        run = fake_run(tmp_path / "runs" / name, events)
        run.config.write_text("")
        if name in ("training", "paused"):
            locks.append(RunLock(run.lock))
        if name == "queued":
            run.events.unlink()
            enqueue(run, 1)
    export = tmp_path / "runs" / "completed" / "export"
    export.mkdir()
    (export / "dog.safetensors").touch()
    yield tmp_path
    for lock in locks:
        lock.release()


@pytest.mark.parametrize("command", OFFERED)
def test_only_runs_that_the_command_can_do_something_with(
    command: str, runs: Path, environment: dict[str, str]
) -> None:
    line = f"loratui {command} "
    shell = {"COMP_WORDS": line, "COMP_CWORD": str(len(line.split())), "_LORATUI_COMPLETE": "complete_bash"}
    done = subprocess.run(
        [sys.executable, "-m", "loratui"],
        cwd=runs,
        env={**environment, **shell},
        capture_output=True,
        text=True,
        check=False,
    )
    assert set(done.stdout.split()) == OFFERED[command], done.stderr
