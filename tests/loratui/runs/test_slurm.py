"""What is told of a run that a cluster has from its folder alone, and what is refused before Slurm is asked."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from loratui.errors import Refusal
from loratui.recovery.remedy import Remedy
from loratui.recovery.restart import start_again
from loratui.runs import slurm, slurm_job
from loratui.runs.engines import LOCAL, Slurm, chosen
from loratui.runs.find import run_info
from loratui.runs.inbox import ask
from loratui.runs.launch import LaunchError, start
from loratui.runs.listing import count_in_slurm, newest_runs
from loratui.runs.queue import at_work, cancel, put_in, queue_lines, trains_here
from loratui.runs.slurm import SOONEST, SlurmEntry, entry_of, write_entry
from loratui.runs.slurm_submit import last_options, read_options
from loratui.screens.shared.slurm_choice import has_slurm
from tests.trainer.conftest import make_config
from tests.trainer.ground.told import told
from trainer.contract.run import exits
from trainer.contract.run.lock import RunLock, take
from trainer.contract.run.rundir import RunDir
from trainer.contract.settings.config import dump_config

__all__ = ["told"]
NOW = time.time()
LONG_AGO = NOW - 3600


@pytest.fixture(autouse=True)
def no_cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that sees the folder of the runs and has no Slurm of its own."""
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    slurm.forget()


@pytest.fixture
def run(tmp_path: Path) -> RunDir:
    """A run that job 12 has since an hour ago."""
    folder = tmp_path / "runs" / "a"
    folder.mkdir(parents=True)
    (folder / "config.toml").write_text('name = "a"\n[train]\nsteps = 10\n')
    found = RunDir(folder)
    write_entry(found, SlurmEntry("12", LONG_AGO, options=(("partition", "gpu"),)))
    return found


def said(run: RunDir, *events: dict[str, object]) -> None:
    run.events.write_text("".join(json.dumps({"t": NOW - 60, **one}) + "\n" for one in events))
    run.log.touch()


def silent(run: RunDir, seconds: float) -> None:
    last = time.time() - seconds
    os.utime(run.slurm, (last, last))


def test_a_run_that_was_handed_in_waits_and_is_not_started_twice(run: RunDir) -> None:
    assert run_info(run).state == "queued"
    assert run_info(run).slurm == "job 12 waits in Slurm"
    assert "job 12 waits in Slurm" in queue_lines(run.path.parent)[0]
    with pytest.raises(LaunchError) as refused:
        start(run)
    assert refused.value.code == exits.RUNNING
    with pytest.raises(Refusal, match="'loratui stop' takes it out"):
        put_in(run)


@pytest.mark.parametrize(("seconds", "state"), [(30, "training"), (300, "crashed")])
def test_a_trainer_whose_lock_is_not_seen_here_lives_as_long_as_its_job_says_so(
    run: RunDir, seconds: float, state: str
) -> None:
    said(run, {"type": "run", "name": "a", "steps": 10}, {"type": "step", "step": 3})
    silent(run, seconds)
    assert run_info(run).state == state


def test_a_lock_that_is_seen_says_it_without_the_cluster(run: RunDir) -> None:
    said(run, {"type": "run", "name": "a", "steps": 10})
    silent(run, 300)
    lock = RunLock(run.lock)
    assert run_info(run).state == "training"
    lock.release()
    assert run_info(run).state == "crashed"


def test_a_run_whose_trainer_is_on_its_way_in_is_starting_whatever_squeue_said_before(run: RunDir) -> None:
    write_entry(run, SlurmEntry("12", time.time()))
    descriptor = os.open(run.claim, os.O_RDWR | os.O_CREAT)
    assert run_info(run).state == "queued"
    assert take(descriptor)
    assert run_info(run).state == "starting"
    with pytest.raises(Refusal, match="no scancel here"):  # a job that begins is taken out, for it hears nothing yet
        ask(run, "stop")
    os.close(descriptor)
    assert run_info(run).state == "queued" and not run.control.exists()


def test_an_answer_of_squeue_from_before_the_job_is_asked_for_anew(run: RunDir) -> None:
    entry = entry_of(run)
    assert entry is not None
    slurm._squeue._told[entry.user] = time.monotonic() - 2 * SOONEST, {"12": ("PENDING", "Resources")}
    assert slurm.has_job(run)  # an hour old: what squeue said two seconds ago holds
    assert run_info(run).slurm == "job 12 waits in Slurm: Resources"
    write_entry(run, replace(entry, since=time.time()))  # it begins
    assert run_info(run).slurm == "job 12 waits in Slurm"  # nobody answers here: no word of that time is left


def test_what_goes_on_here_belongs_to_no_cluster_any_more(
    run: RunDir, loratui: Callable[..., subprocess.CompletedProcess[str]], environment: dict[str, str]
) -> None:
    with pytest.raises(LaunchError, match="waits in Slurm"):  # not while a job has it
        LOCAL.put_in(run)
    assert run.slurm.exists() and not run.queued.exists()
    write_entry(run, SlurmEntry("0", LONG_AGO, options=(("partition", "gpu"),)))
    LOCAL.put_in(run)
    assert run.queued.exists() and not run.slurm.exists()
    cancel(run)

    write_entry(run, SlurmEntry("0", LONG_AGO))
    done = loratui("resume", str(run.path), "--no-slurm")  # settings that a trainer refuses at once
    assert done.returncode not in (0, exits.RUNNING), done.stdout
    assert not run.slurm.exists() and chosen(None, [], [run]) is None


def test_a_run_that_the_job_must_fail_is_told_of(run: RunDir, told: list[dict[str, str]], cold: None) -> None:
    pytest.importorskip("apprise")
    slurm_job._fail(run, time.time() - 3000)
    assert [one["message"] for one in told] == ["a: failed, step 0 of 10, after 50 min"]


def test_what_a_run_said_before_it_was_handed_in_does_not_count(run: RunDir) -> None:
    said(run, {"type": "run", "t": LONG_AGO - 60}, {"type": "end", "status": "stopped", "t": LONG_AGO - 30})
    assert run_info(run).state == "queued"


@pytest.mark.parametrize(("again", "state"), [(True, "queued"), (False, "stopped")])
def test_a_run_that_made_room_waits_and_one_that_a_person_stopped_does_not(
    run: RunDir, again: bool, state: str
) -> None:
    write_entry(run, SlurmEntry("12", LONG_AGO, again=again))
    said(run, {"type": "run"}, {"type": "end", "status": "stopped", "step": 3})
    assert run_info(run).state == state


def test_what_a_cluster_trains_is_not_in_the_way_here(run: RunDir) -> None:
    said(run, {"type": "run", "name": "a", "steps": 10})
    assert [one.name for one in at_work(run.path.parent)] == ["a"]
    assert trains_here(run.path.parent) == []
    lock = RunLock(run.lock)
    assert [one.name for one in trains_here(run.path.parent)] == ["a"]
    lock.release()


@pytest.mark.parametrize(("vain", "read"), [(1, 1), (-3, 0), ("2", 0), (None, 0)])
def test_the_turns_that_came_to_nothing_are_counted_in_the_entry(run: RunDir, vain: object, read: int) -> None:
    write_entry(run, SlurmEntry("12", LONG_AGO, vain=1))
    run.slurm.write_text(run.slurm.read_text().replace('"vain": 1', f'"vain": {json.dumps(vain)}'))
    entry = entry_of(run)
    assert entry is not None and entry.vain == read


@pytest.mark.parametrize("goes", ["checkpoint", "new run"])
def test_a_remedy_for_a_run_that_was_in_slurm_does_not_start_it_here(run: RunDir, pictures: Path, goes: str) -> None:
    run.config.write_text(dump_config(make_config(pictures)))
    said(run, {"type": "run", "name": "a", "steps": 10}, {"type": "end", "status": "failed", "step": 3})
    with pytest.raises(Refusal, match="--slurm"):  # there is none on this machine
        start_again(run, Remedy("as it was", "", {}, goes=goes))  # type: ignore[arg-type]
    assert [one.name for one in run.path.parent.iterdir()] == ["a"] and not run.lock.exists()


@pytest.mark.parametrize("text", ["", "[]", '{"job": "1; rm -rf ~", "since": 1}', '{"job": 3}', '{"job": "3"}', "{"])
def test_a_damaged_entry_is_none(run: RunDir, text: str) -> None:
    run.slurm.write_text(text)
    assert entry_of(run) is None
    assert run_info(run).state == "new"


def test_the_options_are_sbatchs_own() -> None:
    given = read_options(
        ["partition=gpu", "gres=gpu:a100:1", "--time=4:00:00", "cpus_per_task=4", "exclusive", "time=1:0"]
    )
    assert dict(given) == {
        "partition": "gpu",
        "gres": "gpu:a100:1",
        "time": "1:0",
        "cpus-per-task": "4",
        "exclusive": "",
    }
    with pytest.raises(Refusal) as refused:
        read_options(["output=/etc/passwd", "time=1\n#SBATCH --wrap=true", "Partition", "mem=8G"])
    assert len(refused.value.messages) == 3


def test_what_was_given_to_sbatch_last_is_offered_as_it_is_typed(run: RunDir) -> None:
    assert last_options(run.path.parent) == "partition=gpu"
    other = run.path.with_name("b")
    other.mkdir()
    (other / "config.toml").touch()
    write_entry(RunDir(other), SlurmEntry("0", NOW, options=(("exclusive", ""), ("comment", "two words"))))
    assert last_options(run.path.parent) == "exclusive 'comment=two words'"
    assert last_options(run.path) == ""


def test_the_first_screen_waits_for_no_cluster_and_counts_all_that_wait_there(run: RunDir, tmp_path: Path) -> None:
    for name in "bcdefg":
        other = RunDir(run.path.with_name(name))
        other.path.mkdir()
        other.config.touch()
        write_entry(other, SlurmEntry("13" if name != "g" else "0", NOW))
    os.mkfifo(tmp_path / "answer")
    squeue = tmp_path / "bin" / "squeue"
    squeue.write_text(f'#!/bin/sh\nread line < {tmp_path / "answer"}\necho "$line"\n')
    squeue.chmod(0o700)
    runs = run.path.parent
    assert {one.state for one in newest_runs(5, runs)[0] if one.run.path.name != "g"} == {
        "queued"
    }  # nobody answers yet
    assert count_in_slurm(runs) == 6
    with (tmp_path / "answer").open("w") as told:
        told.write("12|RUNNING|None\n")
    end = time.monotonic() + 60
    while run_info(run, wait=False).state != "starting":
        assert time.monotonic() < end
        time.sleep(0.05)


def test_where_a_run_goes_is_said_once_and_kept(run: RunDir, monkeypatch: pytest.MonkeyPatch) -> None:
    assert chosen(None, []) is None and not has_slurm()
    assert chosen(False, [], [run]) is LOCAL
    for asked in (True, None):  # said, or where it was before
        with pytest.raises(Refusal, match="--slurm"):
            chosen(asked, [], [run])
    for name in ("sbatch", "srun", "squeue"):
        program = run.path.parents[1] / "bin" / name
        program.write_text("#!/bin/false\n")
        program.chmod(0o700)
    pytest.importorskip("submitit")
    assert has_slurm()
    assert chosen(None, ["gres=gpu:1"], [run]) == Slurm((("partition", "gpu"), ("gres", "gpu:1")))


def test_without_slurm_a_sentence_says_what_to_do(
    loratui: Callable[..., subprocess.CompletedProcess[str]],
    environment: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    answers_file: Path,
) -> None:
    monkeypatch.setitem(environment, "PATH", os.environ["PATH"])
    refused = loratui("replay", "answers.toml", "--slurm")
    assert refused.returncode == exits.USAGE
    assert "pip install 'loratui[slurm]'" in refused.stderr or "login node" in refused.stderr
    assert not (answers_file.parent / "runs").exists()


def test_a_run_that_was_taken_out_is_as_before_and_keeps_its_options(run: RunDir) -> None:
    write_entry(run, SlurmEntry("0", LONG_AGO, options=(("partition", "gpu"),)))
    assert run_info(run).state == "new"
    assert entry_of(run) is not None
    with pytest.raises(Refusal, match="--slurm"):  # there is none here: it is not trained here instead
        chosen(None, [], [run])
