"""A program on a real pseudo-terminal: what it wrote is kept as bytes, keys are sent, the size can change."""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from tests.warm.client import take_terminal


class Pty:
    """Use as a context: on leaving, the program and its group are killed."""

    def __init__(
        self, command: Sequence[str], cwd: Path, environment: Mapping[str, str], size: tuple[int, int] = (80, 24)
    ) -> None:
        """`size` is columns and rows; (0, 0) is what some scripts' terminals say."""
        self._master, slave = os.openpty()
        self.wrote = b""
        self.resize(*size)
        self.process = subprocess.Popen(
            command,
            cwd=cwd,
            env=dict(environment),
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
            preexec_fn=take_terminal,
        )
        os.close(slave)

    def __enter__(self) -> Pty:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(10)
        os.close(self._master)

    def resize(self, columns: int, rows: int) -> None:
        """Change the size; the kernel tells the program."""
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def type(self, keys: bytes) -> None:
        """Send keys as the bytes that a terminal sends."""
        os.write(self._master, keys)

    def read(self, seconds: float) -> bytes:
        """What is written within `seconds`; also kept in `wrote`."""
        end, found = time.monotonic() + seconds, b""
        while (left := end - time.monotonic()) > 0:
            ready, _, _ = select.select([self._master], [], [], left)
            if not ready:
                break
            try:
                piece = os.read(self._master, 1 << 16)
            except OSError:  # the program has gone
                break
            if not piece:
                break
            found += piece
        self.wrote += found
        return found

    def until(self, condition: Callable[[bytes], bool], timeout: float = 60.0) -> bytes:
        """Read until what was written so far fulfils `condition`; fails with its end if it does not come."""
        end = time.monotonic() + timeout
        while not condition(self.wrote):
            assert time.monotonic() < end, f"waited in vain; the last that was written:\n{self.wrote[-3000:]!r}"
            if not self.read(0.1) and self.process.poll() is not None and not self.read(0.1):
                assert condition(self.wrote), f"it ended with {self.process.returncode}:\n{self.wrote[-3000:]!r}"
        return self.wrote

    def end(self, timeout: float = 60.0) -> int:
        """Read until the program ends; its exit code."""
        deadline = time.monotonic() + timeout
        while self.process.poll() is None:
            assert time.monotonic() < deadline, f"did not end; wrote:\n{self.wrote[-3000:]!r}"
            self.read(0.1)
        self.read(0.2)
        return self.process.returncode
