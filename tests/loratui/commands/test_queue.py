"""Queued runs of the small SDXL through the real program: one after the other, and nobody watches."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from trainer.contract.run.devices import runs_in
from trainer.contract.run.events import Tail
from trainer.contract.run.lock import is_held, lock_holder
from trainer.contract.run.queue import waiting
from trainer.contract.run.rundir import RunDir

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("warm_trainer")]
LoraTUI = Callable[..., subprocess.CompletedProcess[str]]
ENDLESS = ["train.steps=100000", "train.checkpoint_every=0", "train.device=cpu"]
TO_NAN = [
    "train.optimizer=adamw",
    "train.learning_rate=10",
    "train.weight_decay=1",
    "train.steps=60",
    "train.device=cpu",
]
SHORT = ["train.steps=2", "train.device=cpu"]  # one place for a run, whatever the machine has


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    """The folder of the runs; whatever still waits there at the end is forgotten, whatever trains is killed."""
    folder = tmp_path / "runs"
    yield folder
    for run in runs_in(folder):
        run.queued.unlink(missing_ok=True)
    for run in runs_in(folder):
        holder = lock_holder(run.lock) or lock_holder(run.claim)
        if holder is not None and holder.pid:  # 0: it lets go just now; that would be all of the tests
            with contextlib.suppress(ProcessLookupError):
                os.kill(holder.pid, signal.SIGKILL)


def events(run: RunDir, kind: str) -> list[dict[str, Any]]:
    return [one for one in Tail(run.events).read() if one["type"] == kind]


def wait_for(what: Callable[[], object], seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.05)


def queue_up(loratui: LoraTUI, root: Path, name: str, settings: list[str]) -> str:
    """Put a run called `name` into the queue; what the program said."""
    sets = [word for one in [f"name={name}", *settings] for word in ("--set", one)]
    done = loratui("replay", "answers.toml", "--queue", "--out", root / name, *sets)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def in_front(environment: dict[str, str], folder: Path, run: RunDir) -> subprocess.Popen[str]:
    """`loratui replay` as a person has it in a terminal."""
    sets = [word for one in [f"name={run.path.name}", *ENDLESS] for word in ("--set", one)]
    command = [sys.executable, "-m", "loratui", "replay", "answers.toml", "--out", str(run.path), *sets]
    return subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True)


def starts_of_rows(out: str) -> list[list[str]]:
    """The words of each row without those that stand below it: a path that has no room beside."""
    return [line.split() for line in out.splitlines() if not line.lstrip().startswith("/")]


def test_runs_follow_one_another_with_nobody_there_whatever_becomes_of_each(
    loratui: LoraTUI,
    environment: dict[str, str],
    answers_file: Path,
    root: Path,
    hold_back: Callable[[RunDir], None],
) -> None:
    a, b, c, d, e = (RunDir(root / name) for name in "abcde")
    first = in_front(environment, answers_file.parent, a)
    for run in (a, c):
        hold_back(run)
    wait_for(lambda: events(a, "step"))
    assert "place 1 of 1" in queue_up(loratui, root, "b", SHORT)
    assert "place 2 of 2" in queue_up(loratui, root, "c", ENDLESS)
    assert "place 3 of 3" in queue_up(loratui, root, "d", TO_NAN)
    assert "place 4 of 4" in queue_up(loratui, root, "e", SHORT)
    moved = starts_of_rows(loratui("queue", "first", "d").stdout)
    assert [words[0] for words in moved] == ["training", "1.", "2.", "3.", "4."]
    assert "d" in moved[1]
    cancelled = loratui("queue", "cancel", "b")
    assert cancelled.returncode == 0 and "its folder stays" in cancelled.stdout
    listed = starts_of_rows(loratui("runs").stdout)
    assert [words[0] for words in listed] == ["training", "queued", "queued", "queued", "new"]

    first.send_signal(signal.SIGINT)
    out, _ = first.communicate(timeout=120)
    assert first.returncode == 130 and "The queue goes on with d: see 'loratui queue'" in out
    wait_for(lambda: events(c, "step"))  # a was stopped, d ended in NaN: nobody did anything
    assert [events(run, "end")[0]["status"] for run in (a, d)] == ["stopped", "failed"]
    assert events(a, "end")[0]["t"] <= events(d, "run")[0]["t"]
    assert events(d, "end")[0]["t"] <= events(c, "run")[0]["t"]
    assert [one.run for one in waiting(root)] == [e]

    holder = lock_holder(c.lock)
    assert holder is not None
    os.kill(holder.pid, signal.SIGKILL)  # leaves nobody behind who could go on
    wait_for(lambda: not is_held(c.claim))
    assert [one.run for one in waiting(root)] == [e]
    looked = loratui("runs")
    assert "started from the queue" in looked.stderr
    watched = loratui("attach", "e", "--plain")
    assert watched.returncode == 0 and "completed at step 2" in watched.stdout
    assert waiting(root) == [] and not b.events.exists() and not b.log.exists()
    assert [len(events(run, "run")) for run in (a, c, d, e)] == [1, 1, 1, 1]
