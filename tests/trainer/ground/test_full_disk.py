"""A run on a disk that fills up: it pauses and says so, goes on when there is room, ends with its reason if told to."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.small_disk import SmallDisk, small_disk
from tests.trainer.begun import Begun, Events, begun_run, of, wait_for
from tests.trainer.conftest import make_config, make_run, start
from trainer.checkpoints.snapshot import newest_checkpoint
from trainer.contract.run import exits
from trainer.contract.run.control import send
from trainer.contract.run.events import Tail
from trainer.contract.run.lock import lock_holder
from trainer.contract.run.rundir import RunDir
from trainer.ground.full_disk import WAITS

pytestmark = pytest.mark.slow


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    with small_disk(tmp_path / "disk", 40_000) as found:
        yield found


@pytest.fixture
def begun(disk: SmallDisk, pictures: Path) -> Iterator[Begun]:
    """A run that has taken steps, and goes on until it is told to end."""
    own = make_config(pictures, train__steps=50_000, train__checkpoint_every=0, sample__prompts=[])
    with begun_run(disk.path / "run", own, lambda events: len(of(events, "step")) >= 2) as found:
        yield found


def noted(run: RunDir, words: str) -> Callable[[Events], bool]:
    def is_noted(_: Events) -> bool:
        holder = lock_holder(run.lock)
        return holder is not None and holder.note == words

    return is_noted


def whole_events(run: RunDir) -> Events:
    """All events; no line is torn, no step is missing."""
    raw = run.events.read_bytes()
    assert raw.endswith(b"\n")
    events = [json.loads(line) for line in raw.splitlines()]
    steps = [event["step"] for event in of(events, "step")]
    assert steps == list(range(1, len(steps) + 1))
    return events


def test_a_full_disk_pauses_the_run_until_there_is_room(begun: Begun, disk: SmallDisk) -> None:
    run, process = begun
    disk.fill()
    wait_for(run, noted(run, WAITS))
    listed = subprocess.run(
        [sys.executable, "-m", "loratui", "runs", str(disk.path)], capture_output=True, text=True, check=True
    )
    assert listed.stdout.startswith(WAITS)
    assert [event["code"] for event in of(Tail(run.events).read(), "warn")] == ["disk-full"]
    paused = len(of(Tail(run.events).read(), "step"))
    disk.clear()
    wait_for(run, lambda events: len(of(events, "step")) > paused + 2)
    assert noted(run, "")([])
    send(run, "stop")
    assert process.wait(60) == exits.STOPPED
    events = whole_events(run)
    assert [event["code"] for event in of(events, "warn")] == ["disk-full", "disk-room"]
    assert newest_checkpoint(run).step == events[-1]["step"] == of(events, "step")[-1]["step"]
    assert (run.export / "toy.safetensors").is_file()


def test_room_on_the_disk_lets_no_run_go_on_that_a_person_paused(begun: Begun, disk: SmallDisk) -> None:
    run, _ = begun
    disk.fill(leave=200_000)  # the log has room, a checkpoint has none
    send(run, "save")
    wait_for(run, noted(run, WAITS))
    send(run, "pause")
    wait_for(run, lambda events: "pause" in [event["cmd"] for event in of(events, "command")])
    disk.clear()
    events = wait_for(run, lambda events: "disk-room" in [event["code"] for event in of(events, "warn")])
    said = of(events, "warn")[-1]["message"]
    assert said == "there is room on the disk again: the run stays paused until it is resumed"
    steps = len(of(events, "step"))
    send(run, "sample")
    events = wait_for(run, lambda events: "sample" in [event["cmd"] for event in of(events, "command")])
    assert len(of(events, "step")) == steps


def test_a_checkpoint_that_has_no_room_is_kept_and_written_later(begun: Begun, disk: SmallDisk) -> None:
    run, _ = begun
    disk.fill(leave=200_000)  # the log has room, a checkpoint has none
    send(run, "save")
    wait_for(run, noted(run, WAITS))
    events = whole_events(run)
    (command,) = of(events, "command")
    assert (command["ok"], command["message"]) == (False, "not saved: the disk refused it")
    assert newest_checkpoint(run).step is None and not list(run.checkpoints.iterdir())
    disk.clear()
    at = of(events, "step")[-1]["step"]
    wait_for(run, lambda events: [event["step"] for event in of(events, "checkpoint")] == [at])
    assert newest_checkpoint(run).step == at


@pytest.mark.parametrize(
    ("command", "code", "status"), [("stop", exits.FAILED, "failed"), ("abort", exits.STOPPED, "stopped")]
)
def test_told_to_end_on_a_full_disk_it_does_and_says_why(
    begun: Begun, disk: SmallDisk, command: Any, code: int, status: str
) -> None:
    run, process = begun
    send(run, "save")
    saved = wait_for(run, lambda events: bool(of(events, "checkpoint")))
    wait_for(run, lambda events: len(of(events, "step")) > len(of(saved, "step")) + 1)
    disk.fill()
    wait_for(run, noted(run, WAITS))
    send(run, command)
    assert process.wait(60) == code
    events = whole_events(run)
    assert (events[-1]["type"], events[-1]["status"]) == ("end", status)
    kept = of(saved, "checkpoint")[0]["step"]
    last = of(events, "step")[-1]["step"]
    said = f"the disk is full: step {last} could not be written; the checkpoint of step {kept} is whole"
    assert [event["message"] for event in of(events, "error")] == ([said] if command == "stop" else [])
    assert newest_checkpoint(run).step == kept
    assert lock_holder(run.lock) is None


def test_a_disk_without_room_for_a_checkpoint_ends_the_run_at_its_start(disk: SmallDisk, pictures: Path) -> None:
    run = make_run(disk.path / "run", make_config(pictures, train__sample_every=3))
    disk.fill(leave=200_000)
    process = start(run)
    assert process.wait(60) == exits.FAILED
    events = whole_events(run)
    (error,) = of(events, "error")
    assert error["kind"] == "disk" and "there is no place for a checkpoint of about" in error["message"]
    assert not of(events, "step") and not of(events, "sample")
    assert "Traceback" not in run.log.read_text()


def test_a_run_on_a_disk_that_is_full_before_it_starts_ends_with_its_code(disk: SmallDisk, pictures: Path) -> None:
    run = make_run(disk.path / "run", make_config(pictures))
    disk.fill()
    assert start(run).wait(60) == exits.FAILED


def test_caches_in_a_full_home_are_no_need(disk: SmallDisk, pictures: Path, tmp_path: Path) -> None:
    disk.fill()
    run = make_run(tmp_path / "run", make_config(pictures, train__steps=1))
    environment = {key: value for key, value in os.environ.items() if not key.startswith("XDG_")}
    process = subprocess.run(
        [sys.executable, "-m", "trainer", str(run.config)],
        env=environment | {"HOME": str(disk.path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == exits.DONE, process.stderr
    assert [event["code"] for event in of(Tail(run.events).read(), "warn")] == ["cache-elsewhere"]
