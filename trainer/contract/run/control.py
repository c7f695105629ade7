"""Commands to a running trainer: one file each, renamed into the run's inbox, removed when acknowledged."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from trainer.contract.entries import make_private, write_atomic
from trainer.contract.run.rundir import RunDir

Cmd = Literal["stop", "abort", "save", "sample", "pause", "resume"]
COMMANDS: tuple[str, ...] = get_args(Cmd)


@dataclass(frozen=True)
class Command:
    """One command as it was sent.

    For sample, `args` may hold `prompt`, one that is not the run's own, and `keep`: true to draw it at every sample
    step from now on, false to do so no more.
    """

    id: str
    cmd: Cmd
    args: dict[str, Any] = field(default_factory=dict)


def send(run: RunDir, cmd: Cmd, **args: Any) -> str:
    """Put a command into the inbox; its id comes back in the `command` event that acknowledges it."""
    if cmd not in COMMANDS:
        raise ValueError(f"unknown command '{cmd}'; one of {', '.join(COMMANDS)}")
    make_private(run.control)
    name = f"{time.time_ns()}-{cmd}"
    write_atomic(run.control / f"{name}.json", json.dumps({"cmd": cmd, "args": args}))
    return name


class Inbox:
    """The trainer's side of the inbox."""

    def __init__(self, run: RunDir) -> None:
        self._folder = run.control
        make_private(self._folder)

    def take(self, before: float | None = None) -> list[Command]:
        """All waiting commands in the order sent, removed from the inbox. A file that is no command is dropped.

        With `before`, unix seconds, only those that were sent earlier.
        """
        paths = [path for path in self._paths() if before is None or _sent(path) < before]
        commands = [command for command in map(_read, paths) if command is not None]
        for path in paths:
            path.unlink(missing_ok=True)
        return commands

    def waiting(self) -> list[Command]:
        """What `take` would return, left where it is."""
        return [command for command in map(_read, self._paths()) if command is not None]

    def _paths(self) -> list[Path]:
        try:
            return sorted(path for path in self._folder.iterdir() if path.suffix == ".json" and path.name[0] != ".")
        except FileNotFoundError:
            return []


def _sent(path: Path) -> float:
    """When a command was sent, in unix seconds, by its name; 0 for a name of another kind."""
    stamp = path.name.partition("-")[0]
    return int(stamp) / 1e9 if stamp.isdigit() else 0.0


def _read(path: Path) -> Command | None:
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    if not isinstance(raw, dict) or raw.get("cmd") not in COMMANDS:
        return None
    args = raw.get("args")
    return Command(path.stem, raw["cmd"], args if isinstance(args, dict) else {})
