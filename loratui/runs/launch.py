"""Makes the directory of a run and starts the trainer in a session of its own: quitting the screen never stops it."""

from __future__ import annotations

import contextlib
import os
import subprocess
import time
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from loratui.errors import Refusal
from loratui.runs.slurm import in_slurm
from loratui.terminal.text import not_written, os_words, show_path
from trainer.contract.entries import remove, sweep, write_atomic
from trainer.contract.paths import can_see, expanded, is_folder
from trainer.contract.run import exits
from trainer.contract.run.events import last_status
from trainer.contract.run.lock import AlreadyRunning, lock_holder
from trainer.contract.run.rundir import RunDir
from trainer.contract.run.trainer_start import refuse_working, spawn

if TYPE_CHECKING:
    from loratui.settings.answers import Answers
    from loratui.settings.resolve import Resolved

RUNS = Path("runs")
_children: dict[int, subprocess.Popen[bytes]] = {}


class LaunchError(Refusal):
    """A run cannot be made or started; nothing was left behind."""


def create_run(
    resolved: Resolved, answers: Answers, out: Path | None = None, advice: str = "choose another --out"
) -> RunDir:
    """Make the run's directory (for its owner alone) with answers.toml and config.toml.

    `out` is the directory itself; without it ./runs/DATE-TIME-NAME. Raises LaunchError with a sentence, which ends
    with `advice` where the folder is what is wrong.
    """
    from loratui.basemodels.pin import pinned
    from loratui.settings.answers import answers_text
    from loratui.settings.portable import portable
    from trainer.contract.settings.config import dump_config

    resolved, answers = pinned(*portable(resolved, answers))
    texts = {"answers.toml": answers_text(answers), "config.toml": dump_config(resolved.config)}
    made: list[Path] = []
    try:
        path = _make_folder(expanded(out), made, advice) if out is not None else _make_dated(resolved.config.name, made)
        for name, text in texts.items():
            write_atomic(path / name, text, 0o600)
    except OSError as error:
        _remove(made, texts)
        where = Path(error.filename or out or RUNS)
        raise LaunchError(f"the run's folder {not_written(where, error, advice)}") from None
    except UnicodeEncodeError:
        _remove(made, texts)
        raise LaunchError("a path holds bytes that are not UTF-8; rename the folder or the picture") from None
    return RunDir(path.absolute())


def start(run: RunDir, gpus: int = 1) -> int:
    """Start the trainer on run/config.toml and give its process id. Raises LaunchError if one is alive there."""
    refuse_in_slurm(run)
    try:
        child = spawn(run, gpus)
    except AlreadyRunning:
        raise LaunchError(_running(run), exits.RUNNING) from None
    except OSError as error:
        raise LaunchError(f"the trainer cannot be started: {os_words(error)}") from None
    _children[child.pid] = child
    return child.pid


def refuse_running(run: RunDir) -> None:
    """Raise LaunchError if a trainer works in `run`, or is about to; waits for one that has ended and is leaving."""
    try:
        refuse_working(run)
    except AlreadyRunning:
        raise LaunchError(_running(run), exits.RUNNING) from None


def refuse_in_slurm(run: RunDir) -> None:
    """Raise LaunchError if a cluster has `run`: two trainers in one folder undo each other's work."""
    job = in_slurm(run, last_status(run.events))
    if job is not None and job.state != "crashed":
        raise LaunchError(f"{show_path(run.path)}: {job.words}; 'loratui stop' takes it out", exits.RUNNING)


def leave_slurm(run: RunDir) -> None:
    """Let `run` belong to no cluster any more: it is to go on here. Raises LaunchError where a job has it."""
    refuse_in_slurm(run)
    try:
        remove(run.slurm, run.path)
    except OSError as error:
        raise LaunchError(f"{show_path(run.slurm)} cannot be removed: {os_words(error)}") from None


def exit_code(pid: int) -> int | None:
    """The exit code of a trainer that this program started and that has ended; None while it runs or is not ours."""
    child = _children.get(pid)
    return child.poll() if child else None


def is_alive(pid: int) -> bool:
    """Whether a process that this program started, or any other, still runs."""
    if pid in _children:
        return _children[pid].poll() is None
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def wait_started(run: RunDir, pid: int, timeout: float = 30.0) -> bool:
    """Wait until the trainer holds the run's lock: True. False if it ended before, or after `timeout` seconds."""
    end = time.monotonic() + timeout
    while time.monotonic() < end:
        if lock_holder(run.lock) is not None:
            return True
        if not is_alive(pid):
            return False
        time.sleep(0.05)
    return False


def _running(run: RunDir) -> str:
    holder = lock_holder(run.lock) or lock_holder(run.claim)
    who = f": process {holder.pid} on {holder.host}" if holder else ""
    return f"a trainer already runs in {show_path(run.path)}{who}; watch it with 'loratui attach', or stop it"


def in_the_way(path: Path) -> str:
    """What stands where a run's folder would be made: "is a file", "is not empty"; empty where nothing does."""
    if not can_see(path):
        return ""
    if not is_folder(path):
        return "is a file"
    try:
        sweep(path)  # of a start that was killed
        return "is not empty" if any(path.iterdir()) else ""
    except OSError:
        return "cannot be looked into"


def _make_folder(path: Path, made: list[Path], advice: str) -> Path:
    """The folder of --out: new, or empty. Notes in `made` what was created."""
    if can_see(path) and is_folder(path):
        if lock_holder(RunDir(path).lock) is not None:
            raise LaunchError(_running(RunDir(path)), exits.RUNNING)
        if can_see(path / "config.toml"):
            raise LaunchError(f"'{show_path(path)}' already holds a run; {advice}, or 'loratui resume' it")
    if trouble := in_the_way(path):
        raise LaunchError(f"'{show_path(path)}' {trouble}; {advice}")
    if can_see(path):
        return path
    missing = [path, *(parent for parent in path.parents if not can_see(parent))]
    for folder in reversed(missing):
        folder.mkdir(mode=0o700)
        made.insert(0, folder)
    return path


def _make_dated(name: str, made: list[Path]) -> Path:
    """runs/2026-11-22-1530-anna, or with -2, -3 ... where that is taken."""
    if not can_see(RUNS):
        RUNS.mkdir(mode=0o700)
        made.append(RUNS)
    stem = f"{datetime.now():%Y-%m-%d-%H%M}-{name}"
    number = 1
    while True:
        path = RUNS / (stem if number == 1 else f"{stem}-{number}")
        try:
            path.mkdir(mode=0o700)
        except FileExistsError:
            number += 1
        else:
            made.insert(0, path)
            return path


def _remove(made: list[Path], names: dict[str, str]) -> None:
    """Take away what this start created, and nothing else: folders that hold more stay."""
    for folder in made:
        with contextlib.suppress(OSError):
            for name in names:
                (folder / name).unlink(missing_ok=True)
            folder.rmdir()
