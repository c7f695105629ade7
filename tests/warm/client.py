"""A Popen that asks a warm server for `python -m loratui` and `python -m trainer`, and starts all else as ever.

What it gives is a process of its own with the same arguments, environment, folder, streams and session; only the
imports are done. A start that could come out otherwise (see `FIXED`) is an ordinary one.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import socket
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
PLACE = "LORATUI_TESTS_WARM"  # the folder of the servers' sockets
# libraries read these when they are imported: where the wanted ones are not the server's, the start is a real one
FIXED = ("HF_", "CUDA", "TORCH", "TRANSFORMERS_", "DIFFUSERS_", "LC_", "LANG", "TEXTUAL", "NO_COLOR", "FORCE_COLOR")
# of those, what torch sets itself, and what it reads when processes join
LATER = ("TORCHINDUCTOR_CACHE_DIR", "TORCHELASTIC_", "TORCH_NCCL_")
PYTHONS = ("PYTHONPATH", "PYTHONUNBUFFERED", "PYTHONSAFEPATH", "PYTHONDONTWRITEBYTECODE")
SERVED = {"loratui": "loratui", "trainer": "trainer", "torch": "trainer", "accelerate": "trainer"}
HUBLESS = "LORATUI_TESTS_HUBLESS"  # set for a program whose trainer asks no hub, whichever is named
WARM_CODE = "# starts warm"  # the first line of code for `python -c` that may be forked off the trainer's server
PATIENCE = 120.0  # seconds until a server has imported its libraries
RealPopen = subprocess.Popen
PYTHON = sys.executable  # as it is before a test says that there is another
starters: list[Callable[[str], None]] = []  # in the tests' own process: what starts a server that is needed


def take_terminal() -> None:
    """A `preexec_fn`: the standard input becomes the controlling terminal of the new session."""
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def fixed(environment: Mapping[str, str], hub: bool = True) -> dict[str, str]:
    """The part of an environment that counts when modules are imported; without `hub` those have not read of one."""
    return {
        name: value
        for name, value in environment.items()
        if (name.startswith(FIXED) and not name.startswith(LATER if hub else (*LATER, "HF_")))
        or (name.startswith("PYTHON") and name not in PYTHONS)
    }


def shares_terminal() -> bool:
    """Whether a key on the terminal is to reach what this process starts as well: a server's fork would miss it."""
    if "pytest" in sys.modules:
        return False
    with contextlib.suppress(OSError):
        os.close(os.open("/dev/tty", os.O_RDWR))
        return True
    return False


def server_for(command: Any, environment: Mapping[str, str]) -> str | None:
    """The server that can start `command`, if one can."""
    place = os.environ.get(PLACE)
    if not place or isinstance(command, str | bytes) or len(command) < 3 or command[0] != PYTHON:
        return None
    words = [word for word in command[1:] if word != "-u"]
    if words[0] == "-c":
        name = "trainer" if words[1].startswith(WARM_CODE) else None
    else:
        name = SERVED.get(str(words[1]).split(".")[0]) if words[0] == "-m" else None
    for start in starters:
        if name:
            start(name)
    with contextlib.suppress(OSError):
        hub = name != "loratui" and not (words[1] in ("trainer", "trainer.captioner") and HUBLESS in environment)
        if name and fixed(json.loads(Path(place, f"{name}.json").read_text()), hub) == fixed(environment, hub):
            return str(Path(place, name))
    return None


class WarmPopen(RealPopen):  # type: ignore[type-arg]
    """`subprocess.Popen`, whose child may be the fork of a warm server; that one tells of its end."""

    _end: socket.socket | None = None

    def _execute_child(  # type: ignore[override]
        self, args: Any, executable: Any, preexec_fn: Any, close_fds: Any, pass_fds: Any, cwd: Any, env: Any, *more: Any
    ) -> None:
        environment = os.environ if env is None else env
        _, _, _, p2cread, p2cwrite, c2pread, c2pwrite, errread, errwrite, *_, session, _ = more
        place = None
        if preexec_fn in (None, take_terminal) and not executable and (session or not shares_terminal()):
            place = server_for(args, environment)
        if place is None:
            super()._execute_child(args, executable, preexec_fn, close_fds, pass_fds, cwd, env, *more)  # type: ignore[misc]
            return
        streams = [number if own == -1 else own for number, own in enumerate((p2cread, c2pwrite, errwrite))]
        words = {
            "command": [os.fspath(word) for word in args[1:]],
            "cwd": os.fspath(cwd) if cwd is not None else str(Path.cwd()),
            "env": {PLACE: os.environ[PLACE]} | dict(environment),
            "terminal": preexec_fn is take_terminal,
            "passed": list(pass_fds),
        }
        self._end, self._asking = socket.socket(socket.AF_UNIX), threading.Lock()
        self._end.connect(place)
        text = json.dumps(words).encode()
        socket.send_fds(self._end, [len(text).to_bytes(4, "big")], [*streams, *pass_fds])
        self._end.sendall(text)
        self.pid = int.from_bytes(self._end.recv(4), "big")
        self._child_created = True
        self._close_pipe_fds(p2cread, p2cwrite, c2pread, c2pwrite, errread, errwrite)  # type: ignore[attr-defined]

    def _said(self, flags: int) -> int | None:
        """The exit code as the server tells it, None while it runs; one whose server is gone is -9."""
        assert self._end is not None
        self._end.setblocking(not flags)
        try:
            told = self._end.recv(4)
        except BlockingIOError:
            return None
        return int.from_bytes(told, "big", signed=True) if told else -9

    def _internal_poll(self, _deadstate: Any = None, **own: Any) -> int | None:
        if self._end is None:
            return super()._internal_poll(_deadstate, **own)  # type: ignore[misc,no-any-return]
        with self._asking:
            if self.returncode is None:
                self.returncode = self._said(os.WNOHANG)
                if self.returncode is not None:
                    self._end.close()
        return self.returncode  # type: ignore[no-any-return]

    def _wait(self, timeout: float | None) -> int:
        if self._end is None:
            return super()._wait(timeout)  # type: ignore[misc,no-any-return]
        end = None if timeout is None else time.monotonic() + timeout
        while self._internal_poll() is None:
            left = 60.0 if end is None else end - time.monotonic()
            if left <= 0:
                assert timeout is not None
                raise subprocess.TimeoutExpired(self.args, timeout)
            try:
                self._end.settimeout(left)
                self._end.recv(1, socket.MSG_PEEK)
            except (TimeoutError, BlockingIOError):
                continue
            except OSError:  # another thread has been told meanwhile, and has closed it
                if self.returncode is None:
                    raise
        return self.returncode  # type: ignore[no-any-return]


def warm_environment() -> dict[str, str]:
    """What a program that is started by another (a shell in tmux) needs in its environment to start trainers warm."""
    place = os.environ.get(PLACE)
    return {PLACE: place, "PYTHONPATH": f"{ROOT}{os.pathsep}{Path(__file__).parent}"} if place else {}


def install() -> None:
    """From here on every `subprocess.Popen` of this process is a warm one where it can be."""
    subprocess.Popen = WarmPopen  # type: ignore[misc]
