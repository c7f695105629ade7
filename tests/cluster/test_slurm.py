"""Runs of the small SDXL as jobs of a real Slurm: preempted, requeued, watched, stopped, swept."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from loratui.runs.find import run_info
from loratui.runs.inbox import ask
from loratui.runs.slurm import SlurmEntry, entry_of
from loratui.runs.slurm_job import MOST_VAIN
from tests.trainer.ground.told import told
from trainer.contract.run.events import Tail
from trainer.contract.run.lock import is_held
from trainer.contract.run.notify import NAME
from trainer.contract.run.rundir import RunDir

__all__ = ["told"]
pytestmark = [pytest.mark.cluster, pytest.mark.slow]
LoraTUI = Callable[..., subprocess.CompletedProcess[str]]
Ask = Callable[..., str]
LONG = ["--set", "train.steps=140", "--set", "train.device=cpu", "--set", "train.checkpoint_every=50"]
SHORT = ["--set", "train.steps=2", "--set", "train.device=cpu"]
ENDLESS = ["--set", "train.steps=100000", "--set", "train.device=cpu", "--set", "train.checkpoint_every=0"]


def wait_for(what: Callable[[], object], seconds: float = 240) -> None:
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.1)


def events(run: RunDir, kind: str) -> list[dict[str, Any]]:
    return [one for one in Tail(run.events).read() if one["type"] == kind]


def step_of(run: RunDir) -> int:
    return max((int(one["step"]) for one in events(run, "step")), default=0)


def exported(run: RunDir) -> dict[str, bytes]:
    return {str(one.relative_to(run.export)): one.read_bytes() for one in run.export.rglob("*") if one.is_file()}


def listed(loratui: LoraTUI) -> str:
    return loratui("runs").stdout


def submitted(loratui: LoraTUI, name: str, words: list[str]) -> RunDir:
    done = loratui("replay", "answers.toml", "--slurm", "--out", f"runs/{name}", "--set", f"name={name}", *words)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "handed to Slurm" in done.stdout
    return RunDir(Path("runs", name))


def training(loratui: LoraTUI) -> tuple[RunDir, str]:
    """A run without an end that takes its steps in Slurm, and its job."""
    run = submitted(loratui, "works", ENDLESS)
    wait_for(lambda: step_of(run) > 2)
    entry = entry_of(run)
    assert entry is not None
    return run, entry.job


def wait_until_empty(slurm: Ask) -> None:
    """Until Slurm has no job of ours any more."""
    wait_for(lambda: slurm("squeue", "--noheader", "--me") == "")


@pytest.fixture(autouse=True)
def here(tmp_path: Path, slurm: Ask, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """This process is in the folder of the runs too, and sees the same Slurm."""
    monkeypatch.chdir(tmp_path)
    for name in ("SLURM_CONF", "PATH"):
        monkeypatch.setenv(name, environment[name])


def test_a_run_that_is_preempted_and_requeued_ends_with_the_bytes_of_one_that_was_not(
    loratui: LoraTUI, slurm: Ask, answers_file: Path, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(environment, "SOURCE_DATE_EPOCH", "1795000000")
    before = slurm("sbatch", "--parsable", "--wrap", "sleep 600", "--output=/dev/null")
    run = submitted(loratui, "toy", LONG)
    assert run_info(run).state == "queued"
    assert "waits in Slurm: " in listed(loratui)
    assert "waits in Slurm: " in loratui("queue").stdout
    assert "waits in Slurm" in loratui("resume", "toy", "--no-slurm").stderr  # not trained twice
    attached = subprocess.Popen(
        [sys.executable, "-m", "loratui", "attach", "toy"], env=environment, stdout=subprocess.PIPE, text=True
    )
    alone = RunDir(Path("runs", "alone"))
    local = [sys.executable, "-m", "loratui", "replay", "answers.toml", "--out", "runs/alone", "--set", "name=toy"]
    trained = subprocess.Popen([*local, *LONG], env=environment, stdout=subprocess.DEVNULL)
    slurm("scancel", before)

    wait_for(lambda: step_of(run) > 10)
    assert "training" in listed(loratui)
    slurm("sbatch", "--partition=urgent", "--wrap", "sleep 1", "--output=/dev/null")  # takes the node
    wait_for(lambda: run_info(run).state == "queued")
    assert events(run, "end")[-1]["status"] == "stopped"
    assert "waits in Slurm" in listed(loratui)
    wait_for(lambda: len(events(run, "run")) == 2)
    assert 10 < events(run, "run")[-1]["resumed_from"] < 140

    at = step_of(run)
    wait_for(lambda: step_of(run) > at)
    entry = entry_of(run)
    assert entry is not None
    slurm("scontrol", "requeue", entry.job)  # as whoever runs the cluster would
    wait_for(lambda: run_info(run).state == "completed")
    assert len(events(run, "run")) == 3
    assert attached.wait(60) == 0  # it watched all of it
    assert attached.stdout is not None and "waits in Slurm" in attached.stdout.read()
    assert trained.wait(240) == 0
    assert "completed" in listed(loratui)

    files = exported(alone)
    assert {"toy.safetensors", "toy_emb.safetensors"} <= files.keys()
    assert files == exported(run)


def test_a_run_is_stopped_from_the_login_node_while_it_waits_and_while_it_trains(
    loratui: LoraTUI, slurm: Ask, answers_file: Path
) -> None:
    run = submitted(loratui, "works", ENDLESS)
    waits = submitted(loratui, "waits", [*SHORT, "--slurm-option", "comment=kept"])
    assert "taken out of Slurm" in loratui("stop", "waits").stdout
    assert run_info(waits).state == "new"
    assert "handed to Slurm (comment=kept)" in loratui("resume", "waits").stdout
    assert "taken out of Slurm" in loratui("stop", "waits").stdout
    wait_for(lambda: step_of(run) > 2)
    assert slurm("squeue", "--noheader", "--me", "--format=%j") == "works"
    assert "what was trained since the start is saved, then the run ends" in loratui("stop", "works").stdout
    wait_for(lambda: run_info(run).state == "stopped")
    wait_until_empty(slurm)
    assert list(run.export.glob("*.safetensors"))

    again = loratui("resume", "works")  # where it was: in Slurm
    assert "handed to Slurm" in again.stdout, again.stderr
    wait_for(lambda: len(events(run, "run")) == 2)
    assert events(run, "run")[-1]["resumed_from"] == events(run, "end")[0]["step"]


def test_a_job_that_is_cancelled_by_slurms_own_means_is_not_put_back(
    loratui: LoraTUI, slurm: Ask, answers_file: Path
) -> None:
    run, job = training(loratui)
    slurm("scancel", job)
    wait_until_empty(slurm)
    wait_for(lambda: run_info(run).state == "stopped")
    assert events(run, "checkpoint")  # it was told in time


def test_a_sweep_is_a_job_for_each_run_and_goes_on_with_what_is_missing(
    loratui: LoraTUI, slurm: Ask, answers_file: Path, pictures: Path
) -> None:
    others = shutil.copytree(pictures, pictures.with_name("others"))
    declared = ["--zip", f"train.rank=2,4,dataset.path={others},{pictures}", *SHORT, "--name", "both", "--yes"]
    refused = loratui("sweep", "answers.toml", *declared, "--slurm", "--slurm-option", "partition=none")
    assert refused.returncode == 2
    assert "Slurm refuses it: " in refused.stderr and "--slurm-option partition=NAME" in refused.stderr

    before = slurm("sbatch", "--parsable", "--wrap", "sleep 600", "--output=/dev/null")
    begun = loratui("sweep", "answers.toml", *declared, "--slurm", "--slurm-option", "time=30:00")
    assert begun.returncode == 0, begun.stderr
    assert "handed to Slurm (time=30:00)" in begun.stdout
    assert slurm("squeue", "--noheader", "--me", "--states=PENDING", "--format=%l").splitlines() == ["30:00"] * 2
    assert "2 queued in Slurm" in loratui("sweep", "--list").stdout
    shutil.rmtree(others)  # the first run will fail
    slurm("scancel", before)
    waited = loratui("sweep", "both", "--wait", timeout=300)
    assert waited.returncode == 4
    first, second = (RunDir(one) for one in sorted(Path("runs").iterdir()) if one.is_dir())
    assert (run_info(first).state, run_info(second).state) == ("failed", "completed"), waited.stdout

    shutil.rmtree(second.path)
    again = loratui("sweep", "both", "--yes")  # in Slurm as before, with the same options
    assert "1 run handed to Slurm (time=30:00)" in again.stdout, again.stdout + again.stderr
    assert loratui("sweep", "both", "--stop").returncode == 0
    wait_until_empty(slurm)


def test_a_run_whose_time_is_up_saves_and_goes_on_and_is_told_as_failed_where_no_turn_is_long_enough(
    loratui: LoraTUI,
    slurm: Ask,
    answers_file: Path,
    environment: dict[str, str],
    told: list[dict[str, str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(environment, NAME, os.environ[NAME])
    run, job = training(loratui)
    slurm("scancel", "--signal=USR1", job)  # as Slurm does, to every process of the job
    wait_for(lambda: len(events(run, "run")) == 2)
    assert events(run, "end")[-1]["status"] == "stopped"
    assert events(run, "run")[-1]["resumed_from"] == events(run, "end")[-1]["step"] > 2
    slurm("scancel", job)
    wait_until_empty(slurm)

    short = submitted(loratui, "short", ENDLESS)
    for turn in range(1, MOST_VAIN + 1):
        wait_for(lambda: slurm("squeue", "--noheader", "--me", "--format=%T") == "RUNNING")
        wait_for(lambda turn=turn: _vain(short) == turn - 1 and is_held(short.claim))
        slurm("scancel", "--signal=USR1", slurm("squeue", "--noheader", "--me", "--format=%i"))
        wait_for(lambda turn=turn: _vain(short) == turn)
    wait_for(lambda: run_info(short).state == "failed")
    assert not events(short, "step")
    assert "--slurm-option time=" in loratui("attach", "short").stdout
    wait_until_empty(slurm)
    if importlib.util.find_spec("apprise") is not None:  # of both, though no trainer was left
        said = [one["message"].partition(",")[0] for one in told]
        assert "works: stopped by Slurm" in said and said.count("short: failed") == 1


def _vain(run: RunDir) -> int:
    entry = entry_of(run)
    return -1 if entry is None or entry.job == "0" else entry.vain


def test_a_run_that_is_just_starting_is_stopped(loratui: LoraTUI, slurm: Ask, answers_file: Path) -> None:
    run = submitted(loratui, "works", ENDLESS)
    wait_for(lambda: run_info(run).state == "starting")
    assert "taken out of Slurm" in ask(run, "stop")  # here: another program would come when it trains
    wait_until_empty(slurm)
    wait_for(lambda: run_info(run).state not in ("starting", "crashed"))
    assert run_info(run).state in ("new", "stopped")  # by whether its trainer had been launched
    assert not events(run, "step")


def test_several_processes_whose_time_is_up_as_they_begin_hear_it_once_they_listen(
    loratui: LoraTUI, slurm: Ask, answers_file: Path
) -> None:
    run = submitted(loratui, "works", [*ENDLESS, "--gpus", "2"])
    wait_for(lambda: is_held(run.claim) and (entry_of(run) or SlurmEntry("0", 0)).job != "0")
    slurm("scancel", "--signal=USR1", slurm("squeue", "--noheader", "--me", "--format=%i"))
    wait_for(lambda: _vain(run) == 1)  # put back, where it would have trained until Slurm killed it
    assert step_of(run) == 0
