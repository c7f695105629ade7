"""Commands to a running trainer: one file each, renamed into the run's inbox, removed when acknowledged."""

from __future__ import annotations

import heapq
import json
import os
import re
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, cast, get_args

from trainer.contract.documents.files import read_json
from trainer.contract.documents.regular import read_bytes
from trainer.contract.entries import make_private, names_in, open_file, remove, write_atomic
from trainer.contract.paths import os_words
from trainer.contract.run.disk import is_full
from trainer.contract.run.rundir import RunDir

Cmd = Literal["stop", "abort", "save", "sample", "pause", "resume"]
COMMANDS: tuple[str, ...] = get_args(Cmd)
MOST = 100  # files that are taken at one look: a look is between two steps
MAX_BYTES = 1 << 16  # of a command: a prompt has at most 500 letters


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
    """Put a command into the inbox; its id comes back in the `command` event that acknowledges it. Raises OSError.

    A full disk takes a file that is empty: its name then says what is asked, without arguments.
    """
    if cmd not in COMMANDS:
        raise ValueError(f"unknown command '{cmd}'; one of {', '.join(COMMANDS)}")
    make_private(run.control, run.path)
    name = f"{time.time_ns()}-{cmd}"
    file = run.control / f"{name}.json"
    try:
        write_atomic(file, json.dumps({"cmd": cmd, "args": args}), root=run.path)
    except OSError as error:
        if args or not is_full(error):
            raise
        os.close(open_file(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, root=run.path))
    return name


@dataclass(frozen=True)
class Rejected:
    """Something in the inbox that is no command: its name, and why."""

    name: str
    reason: str


class Inbox:
    """The trainer's side of the inbox. Whatever lies there, nothing here raises: an inbox ends no run."""

    def __init__(self, run: RunDir) -> None:
        self._run, self._folder = run, run.control
        self._known: set[str] = set()  # names that could not be removed: a command is done once, a reason said once
        self._rejected: list[Rejected] = []
        try:
            make_private(self._folder, run.path)
        except OSError as error:
            self._rejected.append(Rejected(self._folder.name, f"no command can be taken: {os_words(error)}"))

    def take(self, before: float | None = None) -> list[Command]:
        """The waiting commands in the order sent, removed from the inbox; at most MOST at a time.

        With `before`, unix seconds, only those that were sent earlier. What is no command goes to `rejected`.
        """
        commands = []
        for path in self._paths():
            if before is not None and _sent(path.name) >= before:
                continue
            found = _read(path, self._run)
            if isinstance(found, Command):
                commands.append(found)
            else:
                self._rejected.append(found)
            try:
                remove(path, self._run.path)
            except OSError:  # a folder, or one that may not be written
                self._known.add(path.name)
        return commands

    def waiting(self) -> list[Command]:
        """What `take` would return, left where it is."""
        return [one for one in (_read(path, self._run) for path in self._paths()) if isinstance(one, Command)]

    def rejected(self) -> list[Rejected]:
        """What was found since the last call that is no command."""
        found, self._rejected = self._rejected, []
        return found

    def _paths(self) -> list[Path]:
        try:
            names = [name for name, _ in names_in(self._folder, self._run.path)]
        except OSError:  # it is gone, or a link by now: what that leads to is nobody's command
            return []
        shown = (one for one in names if one.endswith(".json") and one[0] != "." and one not in self._known)
        return [self._folder / one for one in heapq.nsmallest(MOST, shown)]


def _sent(name: str) -> float:
    """When a command was sent, in unix seconds, by its name; 0 for a name of another kind."""
    stamp = re.match(r"([0-9]{1,20})-", name)
    return int(stamp[1]) / 1e9 if stamp else 0.0


def _read(path: Path, run: RunDir) -> Command | Rejected:
    named = path.stem.partition("-")[2]
    if named in COMMANDS and read_bytes(path, 0, run.path).value == b"":  # of a full disk
        return Command(path.stem, cast(Cmd, named))
    found = read_json(path, dict, MAX_BYTES, run.path)
    if found.value is None:
        return Rejected(path.name, found.reason)
    cmd, args = found.value.get("cmd"), found.value.get("args")
    if not isinstance(cmd, str) or cmd not in COMMANDS:
        return Rejected(path.name, f"it is none of the commands {', '.join(COMMANDS)}")
    return Command(path.stem, cast(Cmd, cmd), args if isinstance(args, dict) else {})
