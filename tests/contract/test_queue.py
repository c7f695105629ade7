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
from collections.abc import Callable
from pathlib import Path

import pytest

from trainer.contract import queue
from trainer.contract.config import TrainConfig, dump_config
from trainer.contract.devices import free_slots, place_for, visible_gpus
from trainer.contract.events import EventLog
from trainer.contract.lock import AlreadyRunning, RunLock, is_held, take
from trainer.contract.queue import QueueError, cancel, enqueue, entries, entry_of, leave, move, waiting
from trainer.contract.rundir import RunDir, run_state
from trainer.contract.starting import spawn, take_up, trainer_environment

ROOT = Path(__file__).parents[2]
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
    assert [one.run for one in take_up(tmp_path)] == [b]
    assert not a.log.exists() and not a.queued.exists()


def test_an_earlier_start_does_not_keep_a_run_from_being_queued_to_go_on(tmp_path: Path) -> None:
    run = make(tmp_path, "a", REFUSED)
    log = EventLog(run.events)
    log.emit("run", v=1)
    log.close()
    enqueue(run)
    assert [one.run for one in take_up(tmp_path)] == [run]


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


def test_eight_processes_that_look_at_once_start_each_run_once(tmp_path: Path) -> None:
    runs = queued(tmp_path, "abcdef", REFUSED)
    for one in lookers(8, tmp_path):
        one.join(60)
        assert one.exitcode == 0
    assert [starts(run) for run in runs] == [1] * 6


def test_lookers_killed_at_any_moment_lose_no_run_and_start_none_twice(tmp_path: Path) -> None:
    draws = random.Random(7)
    runs = queued(tmp_path, "abcdef", REFUSED)
    end = time.monotonic() + 60
    killed = 0
    while not drained(tmp_path):
        assert time.monotonic() < end
        (one,) = lookers(1, tmp_path)
        one.join(draws.uniform(0, 0.05))
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
    assert [one.run for one in take_up(tmp_path / "runs")] == [b]
    assert a.log.read_text() == "died\n" * queue.MOST_TRIES
    (entry,) = waiting(tmp_path / "runs")
    assert entry.run == a and entry.stuck
    assert take_up(tmp_path / "runs") == [] and starts(b) == 1
    enqueue(a)  # the person says: again
    entry = entry_of(a)
    assert entry is not None and not entry.stuck


def test_a_kill_between_claim_and_start_leaves_the_run_in_the_queue(tmp_path: Path) -> None:
    (run,) = queued(tmp_path, "a", REFUSED)
    code = (
        "import os, sys; from pathlib import Path; from trainer.contract.rundir import RunDir\n"
        "from trainer.contract.lock import take\n"
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
    assert [one.run for one in take_up(tmp_path)] == [run]
    assert starts(run) == 1


# -- which GPU --------------------------------------------------------------------------------------------------------

TWO = ("0", "1")


def claimed(run: RunDir, **words: object) -> int:
    descriptor = os.open(run.claim, os.O_RDWR | os.O_CREAT)
    assert take(descriptor)
    os.pwrite(descriptor, json.dumps({"pid": 1, "host": os.uname().nodename, "since": 0.0, **words}).encode(), 0)
    return descriptor


def test_a_gpu_is_free_if_no_run_of_the_folder_holds_it(tmp_path: Path) -> None:
    a, b = make(tmp_path, "a"), make(tmp_path, "b")
    assert free_slots(tmp_path, TWO) == {"0", "1", "cpu"}
    first = claimed(a, gpus=1, devices=["1"])
    assert free_slots(tmp_path, TWO) == {"0", "cpu"}
    second = RunLock(b.lock)  # started by hand, without a claim: the first GPU
    assert free_slots(tmp_path, TWO) == {"cpu"}
    os.close(first)
    assert free_slots(tmp_path, TWO) == {"1", "cpu"}
    second.release()
    third = claimed(b, gpus=2, devices=[])
    assert free_slots(tmp_path, TWO) == {"cpu"}
    os.close(third)


def test_a_run_on_the_cpu_takes_no_gpu_and_without_gpus_one_runs_at_a_time(tmp_path: Path) -> None:
    cpu = make(tmp_path, "a", '[train]\ndevice = "cpu"\n')
    lock = RunLock(cpu.lock)
    assert free_slots(tmp_path, TWO) == {"0", "1"}
    assert free_slots(tmp_path, ()) == set()
    lock.release()
    assert free_slots(tmp_path, ()) == {"cpu"}


def test_a_trainer_of_another_machine_takes_no_gpu_of_this_one(tmp_path: Path) -> None:
    descriptor = claimed(make(tmp_path, "a"), host="another")
    assert free_slots(tmp_path, TWO) == {"0", "1", "cpu"}
    os.close(descriptor)


def test_an_entry_takes_as_many_gpus_as_it_asks_for_or_waits(tmp_path: Path) -> None:
    run = make(tmp_path, "a")
    one, two = enqueue(run, 1), queue.Entry(run, 1.0, 2, 0.0, "")
    assert place_for(one, {"0", "1", "cpu"}, TWO) == ("0",)
    assert place_for(one, {"1", "cpu"}, TWO) == ("1",)
    assert place_for(two, {"1", "cpu"}, TWO) is None
    assert place_for(two, {"0", "1"}, TWO) == TWO
    assert place_for(one, {"cpu"}, ()) == ("cpu",)


def test_what_a_chain_of_trainers_hands_on_is_the_whole_machine_and_no_word_of_a_launcher(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in {"RANK": "0", "WORLD_SIZE": "2", "MASTER_ADDR": "x", "ACCELERATE_USE_X": "1"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,3")
    given = trainer_environment(1, ("3",))
    assert given["CUDA_VISIBLE_DEVICES"] == "3"
    assert not {"RANK", "WORLD_SIZE", "MASTER_ADDR", "ACCELERATE_USE_X"} & set(given)
    assert visible_gpus(given) == ("2", "3")
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    assert trainer_environment()["CUDA_VISIBLE_DEVICES"] == "2,3"
    assert trainer_environment()["PYTHONPATH"] == given["PYTHONPATH"]


@pytest.mark.parametrize(
    ("told", "seen"), [("0,1", TWO), ("", ()), ("-1", ()), ("1, GPU-ab ", ("1", "GPU-ab")), ("0,-1,1", ("0",))]
)
def test_the_gpus_that_a_person_shows_are_those_that_count(told: str, seen: tuple[str, ...]) -> None:
    assert visible_gpus({"CUDA_VISIBLE_DEVICES": told}) == seen


def fake_trainer(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[RunDir], list[str]]:
    """Every trainer writes down the GPUs it sees and stays until it is killed; gives them by run."""
    (folder / "sitecustomize.py").write_text(
        "import os, sys, time\nif 'trainer' in sys.orig_argv:\n"
        "    os.write(1, os.environ.get('CUDA_VISIBLE_DEVICES', 'all').encode())\n    time.sleep(60)\n"
    )
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(folder), str(ROOT)]))

    def seen(run: RunDir) -> list[str]:
        end = time.monotonic() + 20
        while not run.log.exists() or not run.log.read_text():
            assert time.monotonic() < end
            time.sleep(0.02)
        return run.log.read_text().split(",")

    return seen


def test_two_gpus_take_two_runs_and_one_that_wants_both_is_not_overtaken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = fake_trainer(tmp_path, monkeypatch)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,7")
    root = tmp_path / "runs"
    a, b, c, d = (make(root, name) for name in "abcd")
    for run, gpus in ((a, 1), (b, 1), (c, 3), (d, 1)):
        enqueue(run, gpus)
    started = take_up(root, settle=False)
    try:
        assert [one.run for one in started] == [a, b]
        assert (seen(a), seen(b)) == (["4"], ["7"])
        assert order(root) == "cd" and take_up(root, settle=False) == []
        started[1].process.kill()
        started[1].process.wait()
        b.queued.unlink()  # as the trainer does when it begins
        cancel(c)
        enqueue(c, 2)
        move(c, 1)
        assert take_up(root, settle=False) == []  # d waits behind c, which waits for both
        cancel(c)
        started += take_up(root, settle=False)
        assert started[-1].run == d and seen(d) == ["7"]
        with pytest.raises(AlreadyRunning):
            spawn(d, patience=0)
    finally:
        for one in started:
            one.process.kill()
            one.process.wait()
