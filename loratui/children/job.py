"""A program of the trainer or of loratui that a screen started: its lines, its last words, its end; never a shell."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from typing import IO

from loratui.terminal.text import safe_lines
from trainer.contract.run.trainer_start import trainer_environment

PATIENCE = 5.0  # seconds between asking a child to end and ending it
LAST_WORDS = 12  # lines of stderr that are kept


class ChildJob:
    """One child in a session of its own. Its stdout is read line by line, its stderr kept in a file without a name."""

    def __init__(self, command: list[str], threads: int = 1) -> None:
        """Start it. Raises OSError."""
        self._errors: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed in `end`
        try:
            self._child = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=self._errors,
                start_new_session=True,
                env=trainer_environment(threads),
            )
        except OSError:
            self._errors.close()
            raise

    @property
    def pid(self) -> int:
        """The process id of the child."""
        return self._child.pid

    def lines(self) -> Iterator[bytes]:
        """What it prints, as it prints it; ends with the child."""
        assert self._child.stdout is not None
        yield from self._child.stdout

    def cancel(self) -> None:
        """Ask it to end, and end it if it does not; it and what it started. Harmless where it has ended."""
        for number, patience in ((signal.SIGTERM, PATIENCE), (signal.SIGKILL, PATIENCE)):
            if self._child.poll() is not None:
                return
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._child.pid, number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._child.wait(patience)

    def end(self) -> tuple[int, list[str]]:
        """Wait for its end: the exit code and the last lines of its stderr, safe to show."""
        code = self._child.wait()
        assert self._child.stdout is not None
        self._child.stdout.close()
        with self._errors as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - (1 << 14)))
            words = file.read().decode("utf-8", "replace")
        return code, [line for line in safe_lines(words) if line.strip()][-LAST_WORDS:]
