"""The lock of a run directory: held means alive, whatever happened to the process that wrote anything else."""

from __future__ import annotations

import fcntl
import json
import os
import socket
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from trainer.contract.documents.parsers import parse_json
from trainer.contract.documents.regular import open_regular
from trainer.contract.entries import open_file

LATEST = 253_402_300_799  # unix seconds: the last year of four digits
NOTE = 60  # letters
LENGTH = 1024  # bytes of what a holder writes, whatever its note: blanks at the end


@dataclass(frozen=True)
class LockHolder:
    """Who holds a lock."""

    pid: int
    host: str
    since: float  # unix seconds
    note: str = ""  # what keeps it from its work, such as "waiting: the disk is full"
    silent: bool = False  # it has not written its `run` event yet: the log tells of the start before it


class AlreadyRunning(RuntimeError):
    """Another trainer works in the same run directory."""

    def __init__(self, holder: LockHolder) -> None:
        start = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(holder.since))
        super().__init__(
            f"a trainer already runs here: process {holder.pid} on {holder.host}, started {start}. "
            "Watch it with 'loratui attach', or stop it with 'loratui stop'."
        )
        self.holder = holder


class RunLock:
    """An flock on `path` for as long as the object lives; the kernel frees it however the process dies."""

    def __init__(self, path: Path, silent: bool = False) -> None:
        """Take the lock. Raises AlreadyRunning if it is held; BadEntry for a link, OSError.

        `silent`: until `speak`, those who look know that the log says nothing of this holder yet.
        """
        descriptor = open_file(path, os.O_RDWR | os.O_CREAT)
        if not take(descriptor):
            holder = read_holder(descriptor)
            os.close(descriptor)
            raise AlreadyRunning(holder)
        self.took_over = read_holder(descriptor).pid if os.fstat(descriptor).st_size else None
        self._descriptor = descriptor
        self._words = {"pid": os.getpid(), "host": socket.gethostname(), "since": time.time(), "silent": silent}
        with suppress(OSError):  # on a full disk nobody reads who holds it; it is held
            os.ftruncate(descriptor, 0)
            self._write("")

    def speak(self) -> None:
        """Say that the log tells of this holder from now on. Never raises."""
        self._words["silent"] = False
        self.note("")

    def note(self, words: str) -> None:
        """Say to those who look at the lock what keeps its holder from its work; empty: nothing. Never raises.

        It goes over what is there, so that no file system but those that copy on each write needs room for it.
        """
        with suppress(OSError):
            self._write(words[:NOTE])

    def _write(self, note: str) -> None:
        os.pwrite(self._descriptor, json.dumps(self._words | {"note": note}).encode().ljust(LENGTH), 0)

    def release(self) -> None:
        """Let go. The file stays: removing it would race with the next holder."""
        with suppress(OSError):
            os.ftruncate(self._descriptor, 0)
        os.close(self._descriptor)


def lock_holder(path: Path) -> LockHolder | None:
    """Who holds the lock at `path`, or None if nobody does."""
    try:
        descriptor = open_regular(path, path.parent)
    except (OSError, ValueError):
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return read_holder(descriptor)
    else:
        return None
    finally:
        os.close(descriptor)


def is_held(path: Path) -> bool:
    """Whether any process holds an flock on `path`."""
    return lock_holder(path) is not None


def take(descriptor: int, tries: int = 10) -> bool:
    """Take the flock of an open file, or False if it stays held for `tries` looks of 20 ms."""
    # lock_holder() holds a shared lock for an instant: a look from outside must not stop a start
    for _ in range(tries):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            time.sleep(0.02)
        else:
            return True
    return False


def read_holder(descriptor: int) -> LockHolder:
    """What the holder of an open lock file wrote into it; process 0 where that cannot be read."""
    words = parse_json(os.pread(descriptor, 4096, 0), dict).value or {}
    pid, host, since = (words.get(name) for name in ("pid", "host", "since"))
    if isinstance(pid, int) and isinstance(since, int | float) and 0 <= since < LATEST:
        return LockHolder(pid, str(host), float(since), str(words.get("note", ""))[:NOTE], words.get("silent") is True)
    return LockHolder(0, "?", 0.0)
