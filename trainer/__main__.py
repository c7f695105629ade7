"""`python -m trainer RUN/config.toml`: one run in one process; whatever happens, the log and the exit code say it."""

from __future__ import annotations

if __name__ == "__main__":  # before the imports, which take seconds
    import signal

    from trainer.contract.run.program import begin

    begin(signal.SIGINT, signal.SIGTERM, words="stopped before training began", log=True)

import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from trainer.contract.entries import BadEntry
from trainer.contract.paths import can_see, os_sentence, os_words
from trainer.contract.pictures.folder import NoDataset
from trainer.contract.run import exits
from trainer.contract.run.events import VERSION, EventLog, SilentLog
from trainer.contract.run.folder import refuse_links, sweep_strays
from trainer.contract.run.lock import AlreadyRunning, RunLock
from trainer.contract.run.program import collector_rests
from trainer.contract.run.queue import leave
from trainer.contract.run.replacement import put_back_checkpoints
from trainer.contract.run.rundir import RunDir, checkpoint_folders
from trainer.contract.run.trainer_start import pass_on
from trainer.contract.settings.config import TrainConfig, config_sha, load_config, vae_source
from trainer.data.listing import Listed, listed
from trainer.ground.notice import Notice
from trainer.materialise.asked import with_class_folders

if TYPE_CHECKING:
    from trainer.checkpoints.snapshot import FoundCheckpoint
    from trainer.ground.world import World
    from trainer.loop import Run, RunEnd

CODES = {"oom": exits.MEMORY, "data": exits.DATASET, "usage": exits.USAGE, "signal": exits.STOPPED}


def main(arguments: list[str]) -> int:
    """Train as the configuration says; returns the exit code."""
    if len(arguments) != 1 or arguments[0].startswith("-"):
        print("usage: python -m trainer RUN/config.toml", file=sys.stderr)
        return exits.USAGE
    path, started = Path(arguments[0]), time.time()
    run = RunDir(path.parent.resolve())
    try:
        refuse_links(run)
        config = load_config(path)
    except (OSError, ValueError) as error:
        print(f"{path.parent if isinstance(error, BadEntry) else path}: {os_words(error, path)}", file=sys.stderr)
        leave(run)
        return exits.USAGE
    if _rank():
        return _follow(config, run)
    try:
        lock = RunLock(run.lock, silent=True)
    except AlreadyRunning as error:
        print(error, file=sys.stderr)
        return exits.RUNNING
    except OSError as error:
        return _unusable(run, error)
    sweep_strays(run)
    try:
        log = EventLog(run.events)
    except OSError as error:
        lock.release()
        return _unusable(run, error)
    began = time.monotonic()
    notice = Notice(config.name, config.train.steps, log, run)
    _stop_at_once(run, log, lock, began, notice)
    try:
        config = with_class_folders(config, lambda done, total: log.emit("phase", name="data", done=done, total=total))
        found = listed(config, begun=bool(checkpoint_folders(run)))
        if found.refused or found.problems:
            return _refuse(config, found, run, log, began)
        return _train(config, run, log, began, started, lock, found)
    except NoDataset as error:
        return _refuse(config, Listed((), (), (f"prior.path: {error}",)), run, log, began)
    except BaseException as error:
        return _tell(error, log, began)
    finally:
        _hear(lambda *_: None)  # it ends already
        _leave(run, log, lock)
        notice.send()


def _unusable(run: RunDir, error: OSError) -> int:
    """A folder, or what else is no file, where the lock or the log must be: nothing can be written of it."""
    print(f"{run.path}: {os_sentence(error)}", file=sys.stderr)
    leave(run)
    return exits.USAGE


def _hear(handler: Callable[[int, FrameType | None], None]) -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, handler)


def _leave(run: RunDir, log: EventLog, lock: RunLock) -> None:
    leave(run)
    log.close()
    lock.release()
    pass_on(run)


def _stop_at_once(run: RunDir, log: EventLog, lock: RunLock, began: float, notice: Notice) -> None:
    """Until `Requests` hears them, a signal ends the process from where it is: nothing was trained yet.

    An exception would fall into the imports of the next seconds, and libraries make others of it.
    """

    def stop(_number: int, _frame: FrameType | None) -> None:
        _end(log, "stopped", None, began, [])
        _leave(run, log, lock)
        notice.send()
        os._exit(exits.STOPPED)

    _hear(stop)


def _refuse(config: TrainConfig, found: Listed, run: RunDir, log: EventLog, began: float) -> int:
    """What the plan refuses is refused here in the same words, before torch is loaded."""
    message = "\n".join([*found.refused, *found.problems])
    what = "repair or skip the pictures named" if found.pictures else "correct dataset.path"
    what = "correct the setting" if found.refused else what
    advice = _moved(config, run) or [f"{what}, then start again"]
    log.emit("error", kind="data", message=message, advice=advice, pictures=list(found.curable))
    _end(log, "failed", None, began, [])
    print(message, file=sys.stderr)
    return exits.USAGE if found.refused else exits.DATASET


def _moved(config: TrainConfig, run: RunDir) -> list[str]:
    """What to do where something of a begun run is not where it was: its contents are what must be."""
    prior = config.prior.path if config.prior.enabled else ""
    places = {"model.base": config.model.base, "model.vae": vae_source(config.model)}
    places |= {"dataset.path": config.dataset.path, "prior.path": prior}
    keys = [key for key, one in places.items() if one.startswith("/") and not can_see(Path(one))]
    begun = any(run.checkpoints.glob("step-*"))
    return [f"if it lies elsewhere now: loratui resume RUN --set {key}=PLACE" for key in keys if begun]


def _train(
    config: TrainConfig, run: RunDir, log: EventLog, began: float, started: float, lock: RunLock, inputs: Listed
) -> int:
    from trainer.checkpoints.snapshot import newest_checkpoint
    from trainer.commands import Requests, Stop
    from trainer.ground.machine import gpu_memory, gpu_name, versions

    put_back_checkpoints(run)
    requests = Requests(run, log, started, lock.note)
    world = _prepare_torch(config)
    found = world.given(newest_checkpoint(run))
    log.emit(
        "run",
        v=VERSION,
        pid=os.getpid(),
        host=os.uname().nodename,
        gpu=gpu_name(),
        vram_total=gpu_memory(),
        world=world.size,
        versions=versions(),
        name=config.name,
        steps=config.train.steps,
        config_sha=config_sha(config),
        resumed_from=found.step,
        changed=_changed(config, run, found),
    )
    lock.speak()
    leave(run)
    if lock.took_over is not None:
        message = f"process {lock.took_over}, which ran here before, died without a message; its lock was taken over"
        log.emit("warn", code="lock-taken-over", message=message, advice="what it saved is used")
    with collector_rests():
        from trainer.loop import Run
        from trainer.trackers import tracked

    try:
        with _kernels(config), tracked(config, run, log):
            end = _together(Run(config, run, log, requests, world, found, inputs))
    except Stop:  # before the first step: nothing is there to be saved
        _end(log, "stopped", None, began, [])
        return exits.STOPPED
    finally:
        requests.close()
    _end(log, end.status, end.step, began + requests.waited, list(end.files))
    return exits.DONE if end.status == "completed" else exits.STOPPED


def _changed(config: TrainConfig, run: RunDir, found: FoundCheckpoint) -> list[dict[str, Any]]:
    """What a person changed since the checkpoint, as the `run` event lists it."""
    from trainer.contract.run.changes import read_changes
    from trainer.resumption import changed_since

    if found.snapshot is None:
        return []
    return [asdict(one) for one in changed_since(found.snapshot, config, read_changes(run))]


def _follow(config: TrainConfig, run: RunDir) -> int:
    """One of the other processes of a run on several GPUs or machines: it trains its share and writes nothing.

    Its run folder needs no more than config.toml: what there is to go on from comes from the first process.
    """
    leaving: list[int] = []
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda told, _frame: leaving.append(told))  # rank 0 is told at the next step, and saves
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        config = with_class_folders(config, lambda done, total: None)
        inputs = listed(config, begun=bool(checkpoint_folders(run)))
        if inputs.refused or inputs.problems:
            if os.environ.get("GROUP_RANK", "0") != "0":  # on another machine; on its own rank 0 has told
                print("\n".join([*inputs.refused, *inputs.problems]), file=sys.stderr)
            return exits.USAGE if inputs.refused else exits.DATASET
        world = _prepare_torch(config, lambda: bool(leaving))
        from trainer.checkpoints.snapshot import FoundCheckpoint
        from trainer.loop import Run

        found = world.given(FoundCheckpoint(None))
        with _kernels(config):
            end = _together(Run(config, run, SilentLog(), None, world, found, inputs))
    except NoDataset as error:
        print(f"prior.path: {error}", file=sys.stderr)
        return exits.DATASET
    except BaseException as error:
        return _tell(error, SilentLog(), time.monotonic())
    return exits.DONE if end.status == "completed" else exits.STOPPED


def _together(run: Run) -> RunEnd:
    """Train to the end, which none leaves before all its files are written: a launcher ends all when one is over."""
    end = run.train()
    run.world.told(0, run.parts.device)
    return end


def _kernels(config: TrainConfig) -> AbstractContextManager[None]:
    from trainer.ground.determinism import deterministic

    return deterministic() if config.train.deterministic else nullcontext()


def _prepare_torch(config: TrainConfig, leaves: Callable[[], bool] = lambda: False) -> World:
    from trainer.ground.libraries import take_needed

    take_needed()
    import torch

    from trainer.ground.determinism import do_not_fill
    from trainer.ground.world import join_world

    torch.set_num_threads(config.train.cpu_threads)
    torch.set_flush_denormal(True)  # numbers near zero are a hundred times slower on a CPU
    gpu = torch.cuda.is_available() and config.train.device != "cpu"
    torch.use_deterministic_algorithms(not gpu)
    do_not_fill()
    return join_world(gpu, leaves)


def _end(log: EventLog | SilentLog, status: str, step: int | None, began: float, files: list[str]) -> None:
    log.emit("end", status=status, step=step, seconds=round(time.monotonic() - began, 1), files=files)


def _rank() -> int:
    """Which of the processes that a launcher started this is."""
    return int(os.environ.get("RANK", "0"))


def _tell(error: BaseException, log: EventLog | SilentLog, began: float) -> int:
    from trainer.failures import details, explain, is_told

    kind, message, advice = explain(error)
    if not is_told(kind, error):
        traceback.print_exception(error)
    found = {**_vram(), **details(error)}
    log.emit("error", kind="data" if kind == "usage" else kind, message=message, advice=advice, **found)
    _end(log, "failed", None, began, [])
    print(message, file=sys.stderr)
    return CODES.get(kind, exits.FAILED)


def _vram() -> dict[str, Any]:
    """`vram`: the most that was held on the GPU; `vram_total`: what it has; both in bytes, None without one."""
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_available():
        return {"vram": None, "vram_total": None}
    total = torch.cuda.get_device_properties(torch.cuda.current_device()).total_memory
    return {"vram": torch.cuda.max_memory_reserved(), "vram_total": total}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
