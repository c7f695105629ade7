"""The queue of a folder of runs: its order, and that every entry is started by one process, once, whoever is killed."""

from __future__ import annotations

import json
import multiprocessing
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from trainer.contract.run import queue
from trainer.contract.run.events import EventLog
from trainer.contract.run.lock import is_held, take
from trainer.contract.run.queue import QueueError, cancel, enqueue, entries, entry_of, leave, move, waiting
from trainer.contract.run.rundir import RunDir, run_state
from trainer.contract.run.trainer_start import take_up
from trainer.contract.settings.config import TrainConfig, dump_config

ROOT = Path(__file__).parents[3]
REFUSED = "no = 'settings of a run'\n"  # the trainer says so and ends, before it loads anything
DIES = "import os, sys\nif 'trainer' in sys.orig_argv:\n    os.write(1, b'died\\n')\n    os.kill(os.getpid(), 9)\n"


def make(root: Path, name: str, config: str | None = None) -> RunDir:
    run = RunDir(root / name)
    run.path.mkdir(parents=True)
    run.config.write_text(config or dump_config(TrainConfig(name=name)))
    return run


def queued(root: Path, names: str, config: str | None = None) -> list[RunDir]:
    runs = [make(root, name, config) for name in names]
    for run in runs:
        enqueue(run)
    return runs


def order(root: Path) -> str:
    return "".join(one.run.path.name for one in waiting(root))


def test_runs_wait_in_the_order_in_which_they_came(tmp_path: Path) -> None:
    assert waiting(tmp_path) == [] and not list(tmp_path.iterdir())
    a, *_ = queued(tmp_path, "abc")
    assert order(tmp_path) == "abc"
    assert run_state(a, None) == "queued"
    with pytest.raises(QueueError, match="waits in the queue already"):
        enqueue(a)


@pytest.mark.parametrize(
    ("name", "place", "after"),
    [("d", 1, "dabc"), ("a", 4, "bcda"), ("c", 2, "acbd"), ("b", 2, "abcd"), ("b", 99, "acdb"), ("c", -5, "cabd")],
)
def test_a_run_is_moved_to_a_place(tmp_path: Path, name: str, place: int, after: str) -> None:
    queued(tmp_path, "abcd")
    assert "".join(one.run.path.name for one in move(RunDir(tmp_path / name), place)) == after == order(tmp_path)


def test_three_hundred_moves_keep_everybody_and_the_order_that_was_asked_for(tmp_path: Path) -> None:
    draws = random.Random(1)
    expected = list("abcdef")
    queued(tmp_path, "abcdef")
    for _ in range(300):
        name, place = draws.choice(expected), draws.choice([2, 2, 2, 1, 6])  # halves the same gap again and again
        expected.remove(name)
        expected.insert(place - 1, name)
        move(RunDir(tmp_path / name), place)
        assert order(tmp_path) == "".join(expected)


def test_cancelling_keeps_the_folder_and_a_cancelled_run_can_wait_again(tmp_path: Path) -> None:
    _, b, _ = queued(tmp_path, "abc")
    cancel(b)
    assert order(tmp_path) == "ac"
    assert b.config.exists() and run_state(b, None) == "new"
    for change in (lambda: cancel(b), lambda: move(b, 1)):
        with pytest.raises(QueueError, match="does not wait"):
            change()
    enqueue(b)
    assert order(tmp_path) == "acb"


def test_a_damaged_entry_waits_last_and_is_mended_by_a_move(tmp_path: Path) -> None:
    a, b, _ = queued(tmp_path, "abc")
    a.queued.write_text('{"place": ')
    assert order(tmp_path) == "bca"
    assert "".join(one.run.path.name for one in move(b, 3)) == "cab"
    assert all(json.loads(one.run.queued.read_text())["place"] for one in waiting(tmp_path))


def test_a_run_that_was_removed_or_moved_away_takes_its_entry_along(tmp_path: Path) -> None:
    a, _b, _ = queued(tmp_path / "runs", "abc")
    a.path.rename(tmp_path / "elsewhere")
    assert order(tmp_path / "runs") == "bc"


def test_what_is_being_started_can_be_neither_moved_nor_cancelled(tmp_path: Path) -> None:
    (a,) = queued(tmp_path, "a")
    claim = os.open(a.claim, os.O_RDWR | os.O_CREAT)
    assert take(claim)
    for change in (lambda: cancel(a), lambda: move(a, 1)):
        with pytest.raises(QueueError, match="being started"):
            change()
    assert order(tmp_path) == "" and entry_of(a) is not None
    os.close(claim)
    assert order(tmp_path) == "a"


def test_a_trainer_that_began_leaves_the_queue_even_while_the_lock_is_held(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    a, b = queued(tmp_path, "ab")
    leave(a)
    assert order(tmp_path) == "b"
    monkeypatch.setattr(queue, "PATIENCE", 2)
    with queue.locked(tmp_path):
        leave(b)
    assert order(tmp_path) == ""


def test_a_run_whose_start_is_in_its_log_is_not_started_again(tmp_path: Path) -> None:
    """Killed after its first event and before it left the queue: that start counts."""
    a, b = queued(tmp_path, "ab", REFUSED)
    for run in (a, b):
        log = EventLog(run.events)
        log.emit("run" if run is a else "warn", v=1)
        log.close()
    take_up(tmp_path)
    assert starts(b) == 1 and not b.queued.exists()
    assert not a.log.exists() and not a.queued.exists()


def test_an_earlier_start_does_not_keep_a_run_from_being_queued_to_go_on(tmp_path: Path) -> None:
    run = make(tmp_path, "a", REFUSED)
    log = EventLog(run.events)
    log.emit("run", v=1)
    log.close()
    enqueue(run)
    take_up(tmp_path)
    assert starts(run) == 1


# -- who starts it ----------------------------------------------------------------------------------------------------


def starts(run: RunDir) -> int:
    """How often a trainer was started on a run whose settings it refuses."""
    return run.log.read_text().count("config.toml:") if run.log.exists() else 0


def drained(root: Path) -> bool:
    return not entries(root) and not any(is_held(RunDir(one).claim) for one in root.iterdir() if one.is_dir())


def looking(root: str) -> None:
    """A process that takes up the queue again and again, as whoever looks does."""
    while not drained(Path(root)):
        take_up(Path(root), settle=False)


def lookers(count: int, root: Path) -> list[multiprocessing.process.BaseProcess]:
    context = multiprocessing.get_context("fork")
    found = [context.Process(target=looking, args=(str(root),)) for _ in range(count)]
    for one in found:
        one.start()
    return found


@pytest.mark.slow
def test_five_processes_that_look_at_once_start_each_run_once(tmp_path: Path) -> None:
    runs = queued(tmp_path, "abcd", REFUSED)
    for one in lookers(5, tmp_path):
        one.join(60)
        assert one.exitcode == 0
    assert [starts(run) for run in runs] == [1] * 4


@pytest.mark.slow
def test_lookers_killed_at_any_moment_lose_no_run_and_start_none_twice(tmp_path: Path) -> None:
    draws = random.Random(7)
    runs = queued(tmp_path, "abcdef", REFUSED)
    end = time.monotonic() + 240
    killed = 0
    while not drained(tmp_path):
        assert time.monotonic() < end
        (one,) = lookers(1, tmp_path)
        one.join(draws.uniform(0, 0.05 + killed / 1000))  # on a loaded machine 50 ms are no time to do anything in
        if one.exitcode is None:
            assert one.pid is not None
            os.kill(one.pid, signal.SIGKILL)
            killed += 1
        one.join()
    assert killed >= 6
    assert [starts(run) for run in runs] == [1] * 6


def test_a_trainer_killed_on_its_way_in_is_started_again_and_then_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three starts that come to nothing: the run stays in sight and the queue goes on."""
    a, b = queued(tmp_path / "runs", "ab", REFUSED)
    (tmp_path / "sitecustomize.py").write_text(DIES.replace("'trainer'", repr(str(a.config))))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), str(ROOT)]))
    take_up(tmp_path / "runs")
    assert a.log.read_text() == "died\n" * queue.MOST_TRIES
    (entry,) = waiting(tmp_path / "runs")
    assert entry.run == a and entry.stuck
    take_up(tmp_path / "runs")
    assert a.log.read_text() == "died\n" * queue.MOST_TRIES and starts(b) == 1
    enqueue(a)  # the person says: again
    entry = entry_of(a)
    assert entry is not None and not entry.stuck


def test_a_kill_between_claim_and_start_leaves_the_run_in_the_queue(tmp_path: Path) -> None:
    (run,) = queued(tmp_path, "a", REFUSED)
    code = (
        "import os, sys; from pathlib import Path; from trainer.contract.run.rundir import RunDir\n"
        "from trainer.contract.run.lock import take\n"
        "claim = os.open(RunDir(Path(sys.argv[1])).claim, os.O_RDWR | os.O_CREAT)\n"
        "print(take(claim), flush=True); sys.stdin.read()"
    )
    taker = subprocess.Popen(
        [sys.executable, "-c", code, str(run.path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT
    )
    assert taker.stdout is not None and taker.stdout.readline() == b"True\n"
    assert waiting(tmp_path) == [] and take_up(tmp_path) == []
    taker.kill()
    taker.communicate()
    take_up(tmp_path)
    assert starts(run) == 1
