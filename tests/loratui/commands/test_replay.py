"""Whole runs of the small SDXL through the real program: replay, watch, stop, resume, interrupt, kill."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from loratui.runs.states import run_word
from tests.hostname import names_the_host
from tests.slow_motion import slow_motion
from trainer.contract.basemodel.inspect import small_model
from trainer.contract.run.events import Tail
from trainer.contract.run.lock import lock_holder
from trainer.contract.run.rundir import RunDir

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("warm_trainer")]
LoraTUI = Callable[..., subprocess.CompletedProcess[str]]
ENDLESS = ["--set", "train.steps=100000", "--set", "train.checkpoint_every=0"]


@pytest.fixture
def run(tmp_path: Path) -> Iterator[RunDir]:
    """The run directory that a test uses; whatever still trains there at the end is killed."""
    found = RunDir(tmp_path / "run")
    yield found
    holder = lock_holder(found.lock)
    if holder is not None and holder.pid:  # 0: it lets go just now; that would be all of the tests
        os.kill(holder.pid, signal.SIGKILL)


def events(run: RunDir, kind: str) -> list[dict[str, Any]]:
    return [one for one in Tail(run.events).read() if one["type"] == kind]


def wait_for(what: Callable[[], object], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.05)


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@contextlib.contextmanager
def followed(environment: dict[str, str], folder: Path, run: RunDir) -> Iterator[subprocess.Popen[str]]:
    """`loratui replay` in the foreground, after its first steps."""
    command = [sys.executable, "-m", "loratui", "replay", "answers.toml", "--out", str(run.path), *ENDLESS]
    child = subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True)
    try:
        wait_for(lambda: len(events(run, "step")) > 2)
        with slow_motion(run):
            yield child
    finally:
        child.kill()
        child.communicate()


def test_a_replay_trains_and_its_own_answers_give_the_same_bytes(
    loratui: LoraTUI, answers_file: Path, run: RunDir, tmp_path: Path
) -> None:
    done = loratui("replay", "answers.toml", "--set", "train.seed=3", "--out", run.path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "step 4/4" in done.stdout and "completed at step 4" in done.stdout
    assert "pivot at step 2: the new tokens are frozen, the LoRA goes on" in done.stdout
    assert "file: export/toy.safetensors" in done.stdout
    assert "\x1b" not in done.stdout
    assert stat.S_IMODE(run.path.stat().st_mode) == 0o700
    for path in (run.answers, run.config, run.log, run.events):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    again = loratui("replay", run.answers, "--detach", cwd=elsewhere)
    assert again.returncode == 0, again.stdout + again.stderr
    watched = loratui("attach", cwd=elsewhere)
    assert watched.returncode == 0, watched.stdout + watched.stderr
    assert "completed at step 4" in watched.stdout
    (second,) = (elsewhere / "runs").iterdir()
    assert second.name.endswith("-toy")
    for name in ("toy.safetensors", "diffusers/pytorch_lora_weights.safetensors", "toy_emb.safetensors"):
        assert digest(second / "export" / name) == digest(run.export / name)
    listed = loratui("runs", cwd=elsewhere)
    assert listed.stdout.split()[:3] == ["completed", "4/4", "loss"] and second.name in listed.stdout
    refused = loratui("resume", cwd=elsewhere)
    assert refused.returncode == 2 and "is completed" in refused.stderr


def test_commands_reach_a_detached_run_and_a_stopped_one_resumes(
    loratui: LoraTUI, answers_file: Path, run: RunDir, hold_back: Callable[[RunDir], None]
) -> None:
    hold_back(run)
    started = loratui("replay", "answers.toml", "--detach", "--out", run.path, *ENDLESS)
    assert started.returncode == 0 and "loratui attach" in started.stdout
    wait_for(lambda: events(run, "step"))
    second = loratui("replay", "answers.toml", "--out", run.path)
    assert second.returncode == 5 and "already runs" in second.stderr
    saved = loratui("save", run.path)
    assert saved.returncode == 0 and "save: saved at step" in saved.stdout
    assert loratui("pause", run.path).stdout.startswith("pause: the run waits")
    assert loratui("resume", run.path).stdout.startswith("resume: the run goes on")
    assert loratui("stop", run.path).returncode == 0
    watched = loratui("attach", run.path, "--plain")
    assert watched.returncode == 130 and "stopped at step" in watched.stdout
    assert loratui("stop", run.path).returncode == 2
    resumed = loratui("resume", run.path, "--detach")
    assert resumed.returncode == 0 and "resuming from step-" in resumed.stdout
    wait_for(lambda: len(events(run, "run")) == 2)
    assert events(run, "run")[1]["resumed_from"] == events(run, "end")[0]["step"]
    wait_for(lambda: events(run, "step")[-1]["step"] > events(run, "end")[0]["step"])
    assert loratui("abort", run.path).returncode == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupting_a_replay_saves_exports_and_exits_130(
    number: int, environment: dict[str, str], answers_file: Path, run: RunDir, tmp_path: Path
) -> None:
    with followed(environment, tmp_path, run) as child:
        child.send_signal(number)
        out, _ = child.communicate(timeout=60)
    assert child.returncode == 130, out
    assert out.splitlines()[-1] == f"Resume it: loratui resume {run_word(run)}"
    (end,) = events(run, "end")
    assert end["status"] == "stopped"
    assert (run.export / "toy.safetensors").exists()
    assert run.checkpoint(end["step"]).is_dir()


def watching(environment: dict[str, str], folder: Path, run: RunDir) -> subprocess.Popen[str]:
    """`loratui attach` as lines, after its first one."""
    watcher = subprocess.Popen(
        [sys.executable, "-m", "loratui", "attach", str(run.path)],
        env=environment,
        cwd=folder,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert watcher.stdout is not None and "run 'toy'" in watcher.stdout.readline()
    return watcher


def test_training_outlives_its_watcher_and_a_killed_trainer_is_told(
    loratui: LoraTUI, environment: dict[str, str], answers_file: Path, run: RunDir, tmp_path: Path
) -> None:
    with followed(environment, tmp_path, run) as child:
        os.killpg(os.getpgid(child.pid), 0)  # the watcher is there
        child.send_signal(signal.SIGHUP)  # the terminal closes
        child.wait(timeout=20)
    at = events(run, "step")[-1]["step"]
    wait_for(lambda: events(run, "step")[-1]["step"] > at)
    watcher = watching(environment, tmp_path, run)
    holder = lock_holder(run.lock)
    assert holder is not None
    os.kill(holder.pid, signal.SIGKILL)
    out, _ = watcher.communicate(timeout=30)
    assert watcher.returncode == 4
    assert "the trainer ended without a message" in out and "loratui resume" in out
    assert loratui("runs", run.path.parent).stdout.startswith("crashed")


def test_ctrl_c_while_attached_leaves_the_training_alone(
    environment: dict[str, str], answers_file: Path, run: RunDir, tmp_path: Path
) -> None:
    with followed(environment, tmp_path, run):
        watcher = watching(environment, tmp_path, run)
        watcher.send_signal(signal.SIGINT)
        out, _ = watcher.communicate(timeout=20)
        assert watcher.returncode == 0 and "training goes on" in out
        assert lock_holder(run.lock) is not None and not events(run, "end")


def without_a_tensor(path: Path) -> None:
    raw = path.read_bytes()
    start = 8 + int.from_bytes(raw[:8], "little")
    header = json.loads(raw[8:start])
    last = max((name for name in header if name != "__metadata__"), key=lambda name: header[name]["data_offsets"][1])
    begin, _ = header.pop(last)["data_offsets"]
    words = json.dumps(header).encode()
    path.write_bytes(len(words).to_bytes(8, "little") + words + raw[start : start + begin])


def test_a_trainer_that_cannot_start_is_told_with_its_exit_code(
    loratui: LoraTUI, answers_file: Path, run: RunDir, pictures: Path
) -> None:
    """What only the trainer can find out comes back as its own words and code."""
    base = run.path.parent / "base"
    shutil.copytree(small_model(), base)
    for file in ("vocab.json", "merges.txt", "tokenizer.json"):
        (base / "tokenizer" / file).write_text("{")
    done = loratui("replay", answers_file, "--out", run.path, "--set", f"model.base={base}")
    assert done.returncode == 2, done.stdout + done.stderr
    assert "✗ error:" in done.stdout
    assert "cannot be read: " in done.stdout
    assert "Traceback" not in done.stdout


def test_nothing_that_others_read_names_the_home_folder_or_the_machine(
    loratui: LoraTUI, environment: dict[str, str], answers_file: Path, run: RunDir
) -> None:
    done = loratui("replay", answers_file, "--out", run.path, "--set", "train.steps=1")
    assert done.returncode == 0, done.stdout + done.stderr
    words = [environment["HOME"], str(answers_file.parent)]
    for path in (one for one in run.export.rglob("*") if one.is_file()):
        raw = path.read_bytes()
        assert not [word for word in words if word.encode() in raw], path
        assert not names_the_host(raw), path
    assert json.loads(run.events.read_text().splitlines()[0])["type"] == "run"
