"""The queue as the commands speak of it; no trainer is needed for that."""

from __future__ import annotations

import io
import os
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from loratui.commands.follow import follow
from loratui.errors import Refusal
from loratui.runs import queue as queueing
from loratui.runs.find import find_run, run_info
from loratui.runs.inbox import ask
from loratui.runs.queue import add, cancel, find_waiting, listed, move, queue_lines, take_up
from loratui.terminal.text import show_path
from trainer.contract.run import exits, queue
from trainer.contract.run.events import EventLog
from trainer.contract.run.lock import RunLock
from trainer.contract.run.rundir import RunDir
from trainer.contract.settings.config import TrainConfig, dump_config

REFUSED = "no = 'settings of a run'\n"  # the trainer says so and ends, before it loads anything


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """./runs with one run that trains and three that wait."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    for name in ("dog", "cat", "fox", "owl"):
        run = make(tmp_path / "runs", name)
        if name != "dog":
            queue.enqueue(run)
    return tmp_path / "runs"


@pytest.fixture
def trains(root: Path) -> Iterator[RunLock]:
    """The dog's trainer."""
    lock = RunLock(root.joinpath("run-dog", "lock"))
    yield lock
    os.close(lock._descriptor)


def make(root: Path, name: str, config: str = "") -> RunDir:
    run = RunDir(root / f"run-{name}")
    run.path.mkdir(parents=True)
    run.config.write_text(config or dump_config(TrainConfig(name=name)))
    return run


def said(change: Callable[[], object]) -> str:
    """What a refusal says."""
    with pytest.raises(Refusal) as refusal:
        change()
    return "\n".join(refusal.value.messages)


def test_runs_lists_what_trains_then_what_waits_in_order_then_the_past(root: Path, trains: RunLock) -> None:
    past = make(root, "past")
    log = EventLog(past.events)
    log.emit("run", v=1, name="past", steps=3)
    log.emit("end", status="completed", step=3)
    log.close()
    move(RunDir(root / "run-owl"), 1)
    assert [(state, one.name) for state, one in listed(root)] == [
        ("training", "dog"),
        ("queued 1", "owl"),
        ("queued 2", "cat"),
        ("queued 3", "fox"),
        ("completed", "past"),
    ]
    assert [line.split()[0] for line in queue_lines(root)] == ["training", "1.", "2.", "3."]


def test_what_cannot_be_done_is_said_with_what_to_do(root: Path, trains: RunLock) -> None:
    dog, cat = RunDir(root / "run-dog"), RunDir(root / "run-cat")
    assert "does not wait in the queue" in said(lambda: move(dog, 1))
    assert "does not wait in the queue" in said(lambda: cancel(dog))
    assert "it runs already" in said(lambda: add(dog))
    assert "waits in the queue already" in said(lambda: add(cat))
    assert "loratui queue cancel" in said(lambda: ask(cat, "stop"))
    assert "there is no run 'nobody'" in said(lambda: find_waiting("nobody"))
    log = EventLog(dog.events)
    log.emit("end", status="completed", step=3)
    log.close()
    done = make(root, "done")
    done.events.write_bytes(dog.events.read_bytes())
    assert "is completed" in said(lambda: add(done))


def test_a_waiting_run_is_found_by_name_before_a_newer_one_that_does_not_wait(root: Path, trains: RunLock) -> None:
    newer = make(root, "new")
    newer.config.write_text(dump_config(TrainConfig(name="cat")))
    os.utime(newer.config, (time.time() + 99, time.time() + 99))
    assert find_run("cat").path.name == "run-new"
    assert find_waiting("cat").path.name == "run-cat"
    queue.enqueue(newer)
    assert "several of that name wait: run-cat, run-new" in said(lambda: find_waiting("cat"))
    assert find_waiting("run-new") == RunDir(newer.path)


def test_adding_says_the_place_or_that_it_could_not_start(root: Path, trains: RunLock) -> None:
    words: list[str] = []
    run = make(root, "bee", REFUSED)
    assert add(run, say=words.append) == exits.DONE
    assert "queued: place 4 of 4" in words[0]
    for one in queue.waiting(root):
        cancel(one.run)
    trains.release()
    trains._descriptor = os.open(os.devnull, os.O_RDONLY)
    words.clear()
    assert add(run, say=words.append) == exits.FAILED
    assert words == [f"it could not start; why: {show_path(run.log)}"] and not run.queued.exists()


def test_a_state_of_its_own_and_never_crashed(root: Path, trains: RunLock) -> None:
    cat = RunDir(root / "run-cat")
    cat.log.write_text("an earlier start\n")
    assert run_info(cat).state == "queued" and not run_info(cat).alive
    cancel(cat)
    assert run_info(cat).state == "crashed"  # what that start was called before


def test_what_will_not_start_by_itself_stands_under_the_list(root: Path, trains: RunLock) -> None:
    first, second, _ = queue.waiting(root)
    queue.write(replace(first, tries=queue.MOST_TRIES))
    queue.write(replace(second, gpus=2))
    stuck, wide = queue_lines(root)[-2:]
    assert "run-cat: did not start in 3 tries" in stuck and "'loratui queue add run-cat'" in stuck
    assert "run-fox: asks for 2 GPUs, this machine shows 0" in wide


def test_a_broken_entry_is_listed_with_its_reason_and_the_key_that_mends_it(root: Path, trains: RunLock) -> None:
    bad = make(root, "bad")
    bad.queued.write_text("[" * 100_000)
    reason = "run-bad: will not start: queued.json: it is nested deeper than 64 levels"
    assert queue_lines(root)[-1] == f"! {reason}; 'loratui queue add run-bad' tries again"
    assert [mark for mark, one in listed(root) if one.run.path.name == "run-bad"] == ["queued 4"]
    queueing.put_in(find_waiting("run-bad", root))
    assert not [one for one in queue_lines(root) if one.startswith("!")]


def test_the_queue_of_a_folder_that_cannot_be_written_is_refused_and_looking_is_quiet(tmp_path: Path) -> None:
    run = make(tmp_path / "runs", "a")
    (tmp_path / "runs" / queue.LOCK).mkdir()  # in the way, whoever runs the tests
    assert "cannot be written" in said(lambda: queueing.put_in(run))
    run.queued.write_text("{}")
    assert take_up(tmp_path / "runs") == [] and run.queued.exists()


@pytest.mark.slow
def test_attaching_to_a_waiting_run_waits_and_starts_it_when_it_is_free(root: Path, trains: RunLock) -> None:
    cat = RunDir(root / "run-cat")
    cat.config.write_text(REFUSED)
    out = io.StringIO()
    codes: list[int] = []
    watcher = threading.Thread(target=lambda: codes.append(follow(cat, out)))
    watcher.start()
    end = time.monotonic() + 30
    while "waiting: place 1 in the queue; run-dog trains now" not in out.getvalue():
        assert time.monotonic() < end, out.getvalue()
        time.sleep(0.02)
    for other in ("fox", "owl"):
        cancel(RunDir(root / f"run-{other}"))
    trains.release()
    trains._descriptor = os.open(os.devnull, os.O_RDONLY)
    watcher.join(60)
    assert codes == [exits.FAILED]
    assert "config.toml" in out.getvalue()  # the words of the trainer that came and refused
