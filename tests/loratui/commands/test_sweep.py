"""`loratui sweep` through the real program: told before it starts, queued, gone on with, and laid side by side."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from loratui.runs.queue import cancel
from loratui.sweeps.files import read_sweep
from loratui.sweeps.progress import hold, point_runs
from trainer.contract.run.devices import runs_in
from trainer.contract.run.events import Tail
from trainer.contract.run.queue import waiting
from trainer.contract.run.rundir import RunDir

LoraTUI = Callable[..., subprocess.CompletedProcess[str]]
ON_CPU = ("--set", "train.device=cpu")  # one place for a run, whatever the machine has
# the second leaves all numbers behind at this rate
THREE = (
    "--zip",
    "train.rank=2,3,4,train.optimizer=prodigy,adamw,prodigy,train.learning_rate=1.0,10,1.0,train.weight_decay=0,1,0,"
    "train.steps=2,60,2",
)


def events(run: RunDir, kind: str) -> list[dict[str, Any]]:
    return [one for one in Tail(run.events).read() if one["type"] == kind]


def test_what_is_wrong_is_said_all_at_once_and_nothing_is_made(
    loratui: LoraTUI, answers_file: Path, tmp_path: Path
) -> None:
    done = loratui("sweep", "answers.toml", "--grid", "train.rnk=2", "--grid", "train.rank=0", "--set", "x=1")
    assert done.returncode == 2 and len(done.stderr.splitlines()) == 3
    assert "did you mean 'train.rank'?" in done.stderr and "0 is out of bounds" in done.stderr
    for words, said in (
        (("nothing",), "there is no sweep 'nothing'"),
        (("answers.toml",), "a sweep needs something that changes"),
        (("answers.toml", "--from", "post-rnk"), "did you mean 'post-rank'"),
        (("answers.toml", "--grid", "train.rank=2,4"), "without a terminal nobody can be asked"),
    ):
        done = loratui("sweep", *words)
        assert done.returncode == 2 and said in done.stderr, done.stderr
    assert not (tmp_path / "sweeps").exists() and not (tmp_path / "runs").exists()


def test_a_dry_run_says_what_it_would_take_and_makes_nothing(
    loratui: LoraTUI, answers_file: Path, tmp_path: Path
) -> None:
    done = loratui("sweep", "answers.toml", "--from", "post-rank", "--set", "train.targets=all-linear", "--dry-run")
    assert done.returncode == 0, done.stderr
    assert "sweep toy-post-rank: rank 4, 16, 32, 64: 4 runs" in done.stdout and "  disk  about" in done.stdout
    assert not (tmp_path / "sweeps").exists()
    listed = loratui("sweep", "--list").stdout
    assert "post-y2k" in listed and "We found v4, v5 and v6 to strike the best balance" in listed


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """./runs; what waits there at the end is forgotten, what trains is stopped."""
    monkeypatch.chdir(tmp_path)
    root = tmp_path / "runs"
    yield root
    for one in waiting(root):
        cancel(one.run)


@pytest.mark.slow
@pytest.mark.usefixtures("warm_trainer")
def test_a_run_that_fails_does_not_end_the_sweep_and_what_is_missing_is_made_again(
    loratui: LoraTUI, answers_file: Path, root: Path, pictures: Path, draw_picture: Callable[..., Path]
) -> None:
    for number in range(4):  # that no other test has encoded
        draw_picture(pictures / f"{number}.png", number, (98, 98))
    asked = ("sweep", "answers.toml", *THREE, "--name", "three", *ON_CPU)
    done = loratui(*asked, "--yes", "--wait")
    assert done.returncode == 4, done.stdout + done.stderr
    assert [line.split(": ")[1] for line in done.stdout.splitlines() if line.startswith("three-0")] == [
        "completed",
        "failed",
        "completed",
    ]
    first, bad, last = (one.run for one in point_runs(read_sweep("three")))
    assert first and bad and last and not waiting(root)
    assert events(first, "end")[0]["t"] <= events(bad, "run")[0]["t"] <= events(last, "run")[0]["t"]
    encoded = [sum(one["name"] == "cache" for one in events(run, "phase")) for run in (first, bad, last)]
    assert encoded[0] > 4 and encoded[1:] == [0, 0]  # the latents of the first are those of all

    table = json.loads(loratui("sweep", "three", "--json").stdout)
    assert [row["point"] for row in table["rows"]][2] == 2 and table["rows"][2]["loss"] is None
    assert {row["mark"] for row in table["rows"][:2]} <= {"best", "level", ""} and table["rows"][0]["size"] > 0
    assert loratui("sweep", "three", "--keep", "best", "--as", "of-three").returncode == 0
    assert "From the sweep three" in loratui("preset", "show", "of-three").stdout

    shutil.rmtree(last.path)
    first.path.rename(root / "another-name")  # it is known by its name inside
    again = loratui(*asked, "--yes", "--wait")
    assert "1 run to start" in again.stdout and again.returncode == 4
    assert [one.name for one in sorted(root.iterdir()) if one.is_dir()] == [
        "another-name",
        bad.path.name,
        last.path.name,
    ]
    assert [len(events(run, "run")) for run in (bad, last)] == [1, 1]
    other = loratui(*asked, "--seeds", "2", "--yes")
    assert other.returncode == 2 and "'three' is another sweep already" in other.stderr


@pytest.mark.slow
@pytest.mark.usefixtures("warm_trainer")
def test_a_sweep_is_paused_and_stopped_and_goes_on(loratui: LoraTUI, answers_file: Path, root: Path) -> None:
    endless = ("--set", "train.steps=100000", "--set", "train.checkpoint_every=0", *ON_CPU)
    done = loratui("sweep", "answers.toml", "--grid", "train.rank=2,3,4", "--name", "long", *endless, "--yes")
    assert done.returncode == 0 and "It goes on by itself" in done.stdout, done.stdout + done.stderr
    sweep = read_sweep("long")
    run = point_runs(sweep)[0].run
    assert run is not None
    end = time.monotonic() + 120
    while not events(run, "step"):
        assert time.monotonic() < end
        time.sleep(0.05)
    paused = loratui("sweep", "long", "--pause")
    assert "2 runs taken out of the queue" in paused.stdout and "pause: the run waits" in paused.stdout, paused.stdout
    assert [one.state for one in point_runs(sweep)] == ["paused", "new", "new"]
    took = len(events(run, "step"))
    again = loratui("sweep", "long", "--pause")
    assert "long-01-rank2: is paused already" in again.stdout, again.stdout
    assert len(events(run, "step")) == took, "it waits between two steps"
    on = loratui("sweep", "long")
    assert on.stdout.count("it resumes") == 3 and "1 training, 2 queued" in on.stdout, on.stdout + on.stderr
    while len(events(run, "step")) <= took:
        assert time.monotonic() < end
        time.sleep(0.05)
    stopped = loratui("sweep", "long", "--stop")
    assert "2 runs taken out of the queue" in stopped.stdout and "stop: " in stopped.stdout, stopped.stdout
    while point_runs(sweep)[0].state == "training":  # until the process is gone, a moment after its last event
        assert time.monotonic() < end
        time.sleep(0.05)
    assert [one.state for one in point_runs(sweep)] == ["stopped", "new", "new"]
    assert "1 stopped, 2 new" in loratui("sweep", "long", "--table").stdout
    on = loratui("sweep", "long")
    assert on.stdout.count("it resumes") == 3, on.stdout + on.stderr
    while len(events(run, "run")) < 2:
        assert time.monotonic() < end
        time.sleep(0.05)
    hold(point_runs(sweep), "stop")
    assert not waiting(root) and len(runs_in(root)) == 3
