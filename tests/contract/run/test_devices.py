"""Which GPU a queued run gets: those that no run of the folder holds, in order, and never one that is in use."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from trainer.contract.run import queue
from trainer.contract.run.devices import free_slots, place_for, visible_gpus
from trainer.contract.run.lock import AlreadyRunning, RunLock, take
from trainer.contract.run.queue import cancel, enqueue, move, waiting
from trainer.contract.run.rundir import RunDir
from trainer.contract.run.trainer_start import spawn, take_up, trainer_environment
from trainer.contract.settings.config import TrainConfig, dump_config

ROOT = Path(__file__).parents[3]
TWO = ("0", "1")


def make(root: Path, name: str, config: str | None = None) -> RunDir:
    run = RunDir(root / name)
    run.path.mkdir(parents=True)
    run.config.write_text(config or dump_config(TrainConfig(name=name)))
    return run


def order(root: Path) -> str:
    return "".join(one.run.path.name for one in waiting(root))


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
    one, two = enqueue(run, 1), queue.QueueEntry(run, 1.0, 2, 0.0, "")
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
