"""The end of a run is told to a real server on this machine, and no byte of the address is anywhere else."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.trainer.conftest import make_config, make_run, train
from tests.trainer.ground.told import CANARY, told
from trainer.contract.run.events import EventLog
from trainer.contract.run.notify import NAME
from trainer.contract.run.rundir import RunDir
from trainer.contract.run.trainer_start import trainer_environment
from trainer.ground.notice import Notice

apprise = pytest.importorskip("apprise")
__all__ = ["told"]


def written(folder: Path) -> bytes:
    return b"".join(one.read_bytes() for one in folder.rglob("*") if one.is_file())


@pytest.mark.slow
def test_a_completed_run_is_told_with_name_and_step_and_nothing_else(
    told: list[dict[str, str]], pictures: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    run = make_run(tmp_path / "run", make_config(pictures, train__steps=2))
    train(run)
    (one,) = told
    assert one["title"] == "loratui" and one["message"].startswith("toy: completed, step 2 of 2, after ")
    out = capfd.readouterr()
    assert CANARY.encode() not in written(tmp_path) and CANARY not in out.out + out.err
    assert trainer_environment()[NAME].endswith(CANARY)  # what it starts after itself tells too


@pytest.mark.slow
def test_a_refused_start_is_told_and_an_address_that_fails_is_named_by_its_kind(
    told: list[dict[str, str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "none").mkdir()
    monkeypatch.setenv(NAME, f"{os.environ[NAME]} json://127.0.0.1:9/{CANARY} nonsense://{CANARY} {CANARY}")
    run = make_run(tmp_path / "run", make_config(tmp_path / "none"))
    command = [sys.executable, "-m", "trainer", str(run.config)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode != 0
    assert [one["message"][:51] for one in told] == ["toy: failed (its pictures or settings), step 0 of 6"]
    assert CANARY not in done.stdout + done.stderr and CANARY.encode() not in written(tmp_path)
    said = [line for line in done.stderr.splitlines() if "could not be told" in line]
    assert [line.partition(": the end")[0] for line in said] == ["json", "nonsense", "an address without ://"]


def test_without_apprise_the_log_says_how_to_have_it(
    told: list[dict[str, str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    log = EventLog(tmp_path / "events.jsonl")
    notice = Notice("toy", 6, log, RunDir(tmp_path))
    log.emit("end", status="completed", seconds=4000.0, step=None)
    notice.send()
    log.close()
    warned = json.loads((tmp_path / "events.jsonl").read_text().splitlines()[0])
    assert (warned["code"], "loratui[notify]" in warned["advice"], told) == ("notify", True, [])


def test_words_hold_the_kind_of_an_error_and_none_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(NAME, "json://127.0.0.1:9/x")
    log = EventLog(tmp_path / "events.jsonl")
    notice = Notice("toy", 2000, log, RunDir(tmp_path))
    log.emit("step", step=1200)
    log.emit("error", kind="oom", message="in /home/anna")
    log.emit("end", status="failed", seconds=4000.0, step=None)
    log.close()
    assert notice.words == "toy: failed (out of memory), step 1,200 of 2,000, after 67 min"


@pytest.mark.parametrize(("again", "words"), [("true", "stopped by Slurm"), ("false", "stopped")])
def test_a_run_that_a_cluster_put_back_is_not_told_as_stopped_by_a_person(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, again: str, words: str
) -> None:
    monkeypatch.setenv(NAME, "json://127.0.0.1:9/x")
    (tmp_path / "slurm.json").write_text(f'{{"job": "3", "since": 1, "again": {again}}}')
    log = EventLog(tmp_path / "events.jsonl")
    notice = Notice("toy", 2000, log, RunDir(tmp_path))
    log.emit("end", status="stopped", seconds=4000.0, step=1200)
    log.close()
    assert notice.words == f"toy: {words}, step 1,200 of 2,000, after 67 min"


@pytest.mark.slow
def test_an_end_that_a_trainer_was_not_there_to_tell_is_told_from_the_log(
    told: list[dict[str, str]], tmp_path: Path
) -> None:
    (tmp_path / "config.toml").write_text('name = "toy"\n[train]\nsteps = 10\n')
    log = EventLog(tmp_path / "events.jsonl")
    log.emit("error", kind="oom", message="of an earlier start")
    log.emit("run", name="toy", steps=10)
    log.emit("step", step=3)
    log.emit("end", status="failed", step=None, seconds=61.0, files=[])
    log.close()
    before = (tmp_path / "events.jsonl").read_bytes()
    command = [sys.executable, "-m", "trainer.ground.notice", str(tmp_path)]
    subprocess.run(command, check=True, timeout=120)
    assert [one["message"] for one in told] == ["toy: failed, step 3 of 10, after 61 s"]
    assert (tmp_path / "events.jsonl").read_bytes() == before


@pytest.mark.slow
def test_the_option_leaves_the_list_of_processes(told: list[dict[str, str]], tmp_path: Path, cold: None) -> None:
    address = os.environ.pop(NAME)
    place = Path("/proc/self/cmdline")
    if not place.exists():
        pytest.skip("no /proc here")
    command = [sys.executable, "-m", "loratui", "--notify", address, "attach", "--plain", str(tmp_path / "run")]
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "events.jsonl").write_text("")
    (tmp_path / "run" / "config.toml").write_text('name = "toy"\n')
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    own = Path(f"/proc/{child.pid}/cmdline")
    seen = []
    end = time.monotonic() + 60
    while time.monotonic() < end and (child.poll() is None) and CANARY in (now := own.read_text()):
        seen.append(now)
        time.sleep(0.005)
    # it is this program still, without the address; of one that has just ended the list says nothing
    assert child.poll() is not None or "attach" in own.read_text() or child.wait(60) is not None
    child.terminate()
    out, _ = child.communicate(timeout=60)
    assert CANARY not in out


@pytest.mark.slow
@pytest.mark.parametrize("address", [f"nonsense://{CANARY}"])
def test_an_address_that_apprise_does_not_know_is_refused_at_once(address: str, cold: None) -> None:
    command = [sys.executable, "-m", "loratui", "doctor", f"--notify={address}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert (
        done.returncode == 2 and "not one that apprise knows" in done.stderr and CANARY not in done.stdout + done.stderr
    )
