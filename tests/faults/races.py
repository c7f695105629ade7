"""Races: two trainers in one folder, and many that hand the queue over while some of them are killed."""

from __future__ import annotations

import os
import random
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import trainer.contract.run.trainer_start as trainer_start
from tests.faults import forks, runs
from tests.faults.tally import Tally
from trainer.contract.run import exits, queue
from trainer.contract.run.lock import is_held
from trainer.contract.run.rundir import RunDir
from trainer.contract.settings.config import TrainConfig

PROMISE = "one trainer a folder, the other is refused; each waiting run is started exactly once, never two at a time"
PATIENCE = 30.0  # seconds
# what a trainer does to the queue, without the training: takes the lock, says that it runs, leaves the queue
STAND_IN = """
import fcntl, json, os, sys, time
run = os.path.dirname(sys.argv[1])
lock = os.open(run + "/lock", os.O_RDWR | os.O_CREAT)
fcntl.flock(lock, fcntl.LOCK_EX)
with open(run + "/events.jsonl", "a") as log:
    log.write(json.dumps({"t": 1, "type": "run"}, separators=(",", ":")) + "\\n")
with open(run + "/starts", "a") as starts:
    starts.write("x")
try:
    os.unlink(run + "/queued.json")
except OSError:
    pass
time.sleep(0.1)
"""


def campaign(place: Path, config: TrainConfig, rng: random.Random) -> Iterator[Tally]:
    """For ever, one race of each kind after the other; yields the tally after each."""
    tally = Tally("races", PROMISE)
    place.mkdir(parents=True, exist_ok=True)
    stand_in = place / "stand_in.py"
    stand_in.write_text(STAND_IN)
    while True:
        tally.add("two trainers in a folder", *_two_trainers(place / "run", config, rng))
        yield tally
        tally.add("queue taken up by many, some killed", *_many_take_up(place / "queue", stand_in, rng))
        yield tally


def _two_trainers(folder: Path, config: TrainConfig, rng: random.Random) -> tuple[str, list[str]]:
    run = runs.fresh(folder, config)
    first = forks.trainer(run)
    time.sleep(rng.random() * 0.02 if rng.random() < 0.5 else 0.0)
    second = forks.trainer(run)
    end, code, alive = time.monotonic() + PATIENCE, None, {first, second}
    while code is None and time.monotonic() < end:
        for pid in sorted(alive):
            code = forks.wait(pid, forks.LOOK)
            if code is not None:
                alive.discard(pid)
                break
    for pid in alive:
        forks.kill(pid)
    return f"exit {code}", [] if code == exits.RUNNING else [f"the first that ended says {code}, not {exits.RUNNING}"]


def _many_take_up(root: Path, stand_in: Path, rng: random.Random) -> tuple[str, list[str]]:
    shutil.rmtree(root, ignore_errors=True)
    waiting = []
    for name in "abc":
        run = RunDir(root / name)
        run.path.mkdir(parents=True)
        run.config.write_text("name = 'x'\n")
        queue.enqueue(run)
        waiting.append(run)
    at_once, children = 0, list[int]()
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end and any(run.queued.exists() for run in waiting):
        while len(children) < 4:
            children.append(forks.child(lambda: _take_up(root, stand_in), root / "said.log"))
        if rng.random() < 0.5:
            time.sleep(rng.random() * 0.03)
            os.kill(rng.choice(children), 9)
        at_once = max(at_once, sum(is_held(run.lock) for run in waiting))
        children = [pid for pid in children if os.waitpid(pid, os.WNOHANG)[0] == 0]
        time.sleep(0.005)
    for pid in children:
        forks.kill(pid)
    end = time.monotonic() + 2.0
    while time.monotonic() < end and any(is_held(run.lock) for run in waiting):
        time.sleep(forks.LOOK)
    starts = [len((run.path / "starts").read_text()) if (run.path / "starts").exists() else 0 for run in waiting]
    problems = [f"started {starts} times"] if starts != [1, 1, 1] else []
    return "each once" if not problems else "not each once", problems + [f"{at_once} at once"] * (at_once > 1)


def _take_up(root: Path, stand_in: Path) -> int:
    trainer_start.trainer_command = lambda run, gpus=1: [sys.executable, "-S", str(stand_in), str(run.config)]
    trainer_start.take_up(root)
    return 0
