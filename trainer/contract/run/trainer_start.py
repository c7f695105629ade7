"""Starts trainers: in a session of their own, claimed while they live; and the next of the queue when one has ended."""

from __future__ import annotations

import json
import os
import signal
import site
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import nullcontext, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from trainer import contract
from trainer.contract.documents.files import read_toml
from trainer.contract.entries import open_file
from trainer.contract.paths import is_folder, os_words
from trainer.contract.run import queue
from trainer.contract.run.devices import CPU, SEEN, fits, free_slots, on_cpu, place_for, visible_gpus
from trainer.contract.run.folder import refuse_links
from trainer.contract.run.lock import AlreadyRunning, is_held, lock_holder, read_holder, take
from trainer.contract.run.program import signals_held
from trainer.contract.run.queue import QueueEntry
from trainer.contract.run.rundir import RunDir

NOT_ON, TAKES_UP = "the next run of the queue could not be started", "'loratui runs' takes it up"
LOOK = 0.05  # seconds between two looks at a trainer that starts
LEAVING = 15.0  # seconds that the process of a run that has ended may take to be gone
PATIENCE = 120.0  # seconds that one may take to its lock: accelerate loads torch first
# what a launcher of several processes told the one that ended is no word to the next run
LAUNCHERS = ("ACCELERATE_", "TORCHELASTIC_", "MASTER_", "GROUP_", "ROLE_", "NCCL_ASYNC_", "TORCH_NCCL_ASYNC_")
ALONE = "LORATUI_ALONE"  # set in a job of a cluster: the queue of the folder is another machine's
LAUNCHED = ("RANK", "LOCAL_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE")


@dataclass(frozen=True)
class StartedTrainer:
    """A run that left the queue for a process."""

    run: RunDir
    process: subprocess.Popen[bytes]


def spawn(
    run: RunDir, gpus: int = 1, devices: tuple[str, ...] = (), folder: str | None = None, patience: float = LEAVING
) -> subprocess.Popen[bytes]:
    """Start the trainer on run/config.toml. Raises AlreadyRunning if one works there or is being started; OSError.

    `devices`: the GPUs that it may see, all of them if empty. `folder`: where relative paths of its settings start.
    `patience`: seconds to wait for one that has ended and is not gone yet. The claim is an flock that the trainer
    inherits: it is held from here on until the last of its processes is gone, however this one or that one dies.
    """
    refuse_links(run)
    claim = open_file(run.claim, os.O_RDWR | os.O_CREAT)
    try:
        _take_claim(run, claim, patience)
        log = open_file(run.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        words = {"pid": os.getpid(), "host": os.uname().nodename, "since": time.time(), "gpus": gpus}
        held = (
            signals_held(signal.SIGINT, signal.SIGTERM) if gpus <= 1 else nullcontext()
        )  # accelerate lets none through
        try:
            words |= {"devices": list(devices), "log": os.fstat(log).st_size}  # from where on it is this start's
            os.ftruncate(claim, 0)
            os.pwrite(claim, json.dumps(words).encode(), 0)
            with held:
                return subprocess.Popen(
                    trainer_command(run, gpus),
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                    env=trainer_environment(_threads(run), devices),
                    pass_fds=(claim,),
                    cwd=folder if folder and is_folder(Path(folder)) else None,
                )
        finally:
            os.close(log)
    finally:
        os.close(claim)


def refuse_working(run: RunDir, patience: float = LEAVING) -> None:
    """Raise AlreadyRunning where a trainer works in `run` or is on its way in; one that has ended has time to leave.

    It lets go of the lock with its last word, and of its claim when its last process is gone: on a loaded machine
    some seconds lie between the two.
    """
    _let_leave(run, patience)
    holder = lock_holder(run.lock) or lock_holder(run.claim)
    if holder is not None:
        raise AlreadyRunning(holder)


def _let_leave(run: RunDir, patience: float) -> None:
    """Wait until the last process of a trainer that let go of its lock is gone, `patience` seconds at most."""
    end = time.monotonic() + patience
    while is_held(run.claim) and not is_held(run.lock) and time.monotonic() < end:
        time.sleep(LOOK)


def _take_claim(run: RunDir, claim: int, patience: float) -> None:
    end = time.monotonic() + patience
    while True:
        holder = lock_holder(run.lock)
        if holder is not None:
            raise AlreadyRunning(holder)
        if take(claim):
            return
        if time.monotonic() >= end:
            raise AlreadyRunning(read_holder(claim))
        time.sleep(LOOK)


def trainer_command(run: RunDir, gpus: int = 1) -> list[str]:
    """The argument list that trains on one GPU (or the CPU), or on several through accelerate."""
    train = ["-m", "trainer", str(run.config)]
    if gpus <= 1:
        return [sys.executable, *train]
    launcher = ["-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", str(gpus)]
    # one machine, whatever accelerate's own settings file says; any free port: two runs may be shared out at a time
    here = ["--num_machines", "1", "--main_process_port", "0", "--mixed_precision", "no", "--dynamo_backend", "no"]
    return [sys.executable, *launcher, *here, *train]


def trainer_environment(threads: int = 1, devices: tuple[str, ...] = ()) -> dict[str, str]:
    """The environment of a trainer process: the trainer is found from any folder, and no .py of that folder is run."""
    own: Mapping[str, str] = os.environ
    if "RANK" in own:  # one of several processes, which ends
        own = {name: one for name, one in own.items() if name not in LAUNCHED and not name.startswith(LAUNCHERS)}
    environment = {**own, "PYTHONUNBUFFERED": "1", "PYTHONSAFEPATH": "1", "OMP_NUM_THREADS": str(threads)}
    root = str(Path(str(contract.__file__)).parents[2])
    there = [part for part in environment.get("PYTHONPATH", "").split(os.pathsep) if part]
    if root not in site.getsitepackages():  # run from a source tree that is not installed
        environment["PYTHONPATH"] = os.pathsep.join([root, *(part for part in there if part != root)])
    if SEEN in environment:  # this process was given some of the GPUs: that holds for it alone
        environment["CUDA_VISIBLE_DEVICES"] = environment.pop(SEEN)
    if devices:
        environment[SEEN] = ",".join(visible_gpus())
        environment["CUDA_VISIBLE_DEVICES"] = ",".join(devices)
        environment.setdefault("CUDA_DEVICE_ORDER", "PCI_BUS_ID")  # the numbers are nvidia-smi's
    return environment


def take_up(root: Path, settle: bool = True) -> list[StartedTrainer]:
    """Start what waits in the queue of `root` and has a free place; returns what was started.

    Any process may call it at any time: an entry is claimed by one of them only. With `settle` it waits until each
    trainer works (moments) and returns those that do, so that one that ends on its way in does not stop the queue.
    Raises OSError, QueueError.
    """
    begun: list[StartedTrainer] = []
    passed: set[Path] = set()
    while queue.waiting(root):
        started = _start_free(root, passed)
        if not settle or not started:
            return begun + started
        for one in started:
            if has_settled(one):
                begun.append(one)
    return begun


def has_settled(started: StartedTrainer, patience: float = PATIENCE) -> bool:
    """Wait until the trainer holds the run's lock: True. False if it is gone: it refused its settings, or died."""
    end = time.monotonic() + patience
    while time.monotonic() < end:
        if is_held(started.run.lock):
            return True
        if started.process.poll() is not None:
            return False
        time.sleep(LOOK)
    return True


def _start_free(root: Path, passed: set[Path]) -> list[StartedTrainer]:
    """Start each entry that is next for a free place; alone with the queue while it looks and starts.

    `passed`: folders that cannot be written, so that no start in them can be counted; one more look changes nothing.
    """
    gpus = visible_gpus()  # may ask nvidia-smi: before the lock
    started: list[StartedTrainer] = []
    with queue.locked(root):
        free = free_slots(root, gpus)
        for entry in ready(queue.waiting(root), gpus):
            if entry.run.path in passed:
                continue
            places = place_for(entry, free, gpus)
            if places is None:  # those behind it wait as well, so that a run on several GPUs is never overtaken
                free -= {CPU} if on_cpu(entry.run) or not gpus else set(gpus)
                continue
            free -= set(places)
            devices = places if len(gpus) > 1 and CPU not in places else ()
            try:
                child = spawn(entry.run, entry.gpus, devices, entry.folder, patience=0)
            except AlreadyRunning:
                continue  # started by hand a moment ago
            except (OSError, ValueError) as error:
                free |= set(places)  # for the next one: what is wrong with this run is none of the others' trouble
                _say(f"{entry.run.path}: the trainer cannot be started: {os_words(error)}")
            else:
                started.append(StartedTrainer(entry.run, child))
            try:  # after the launch: a kill of this process in between is no failure of the run
                queue.write(replace(entry, tries=entry.tries + 1))
            except OSError as error:
                passed.add(entry.run.path)
                _say(f"{entry.run.path}: the queue's entry cannot be written: {os_words(error)}")
    return started


def ready(waiting: list[QueueEntry], gpus: tuple[str, ...]) -> list[QueueEntry]:
    """The entries that may be started when there is a place; one that has begun already is taken out of the queue.

    Left alone: what died on its way in too often, and what wants more GPUs than there are. The caller holds the
    queue's lock.
    """
    found = []
    for entry in waiting:
        if queue.has_begun(entry):
            with suppress(OSError):  # a folder that cannot be written keeps its entry, and no one from starting
                queue.drop(entry.run)
        elif not entry.stuck and fits(entry, gpus):
            found.append(entry)
    return found


def pass_on(run: RunDir) -> None:
    """The last act of a trainer: leave a short-lived process behind that starts the next run once this one is gone.

    It waits for the end of a pipe that only this process holds open, so that the GPU is free however this one ends.
    Never raises: what is wrong with the queue is no failure of the run that has ended.
    """
    try:
        _leave_behind(run)
    except Exception as error:  # whatever lies in the folder of the runs
        _say(f"{NOT_ON}: {os_words(error)}; {TAKES_UP}")


def _leave_behind(run: RunDir) -> None:
    root = run.path.parent
    if ALONE in os.environ or not any(entry.run != run for entry in queue.waiting(root)):
        return
    mine, _ = os.pipe()  # the other end is closed by the kernel, when this process is gone
    try:
        subprocess.Popen(
            [sys.executable, "-m", "trainer.next_run", str(root), str(run.path)],
            stdin=mine,
            start_new_session=True,
            env=trainer_environment(),
        )
    finally:
        os.close(mine)


def hand_over(root: Path, ended: RunDir) -> list[StartedTrainer]:
    """What the process left by `pass_on` does once its maker is gone: wait for all of `ended`, take up the queue.

    Never raises.
    """
    _let_leave(ended, PATIENCE)  # the others of a run on several GPUs
    try:
        return take_up(root)
    except Exception as error:  # as in `pass_on`
        _say(f"{NOT_ON}: {os_words(error)}; {TAKES_UP}")
        return []


def _say(words: str) -> None:
    """A line for the log of the run that hands on; a disk that does not take it is no reason to stop."""
    with suppress(OSError, ValueError):  # ValueError: a closed stream, or a name that it cannot encode
        print(words, file=sys.stderr, flush=True)


def _threads(run: RunDir) -> int:
    train = (read_toml(run.config, root=run.path).value or {}).get("train")
    threads = train.get("cpu_threads") if isinstance(train, dict) else 1
    return threads if isinstance(threads, int) else 1
