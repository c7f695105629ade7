"""A real disk of a few kB, to be filled to its last byte: a tmpfs, which only root can mount."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest


class SmallDisk:
    """A mounted tmpfs; `fill` leaves no byte of it free, or so many."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def free(self) -> int:
        """Bytes."""
        disk = os.statvfs(self.path)
        return disk.f_bavail * disk.f_frsize

    def fill(self, leave: int = 0) -> None:
        """Take all that is free, but for `leave` bytes; what is written meanwhile by others is not made up for."""
        with (self.path / "fill").open("wb", 0) as file, contextlib.suppress(OSError):
            os.posix_fallocate(file.fileno(), 0, max(self.free - leave, 4096))
            while not leave:
                file.write(bytes(512))

    def clear(self) -> None:
        """Give it back."""
        (self.path / "fill").unlink()


@contextlib.contextmanager
def small_disk(path: Path, kilobytes: int) -> Iterator[SmallDisk]:
    """Mount one at `path`; skips the test, with the reason, where this user may not."""
    path.mkdir(parents=True)
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small disk")
    command = ["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"no small disk can be mounted here: {done.stderr.strip()}")
    try:
        yield SmallDisk(path)
    finally:
        subprocess.run(["umount", "--lazy", str(path)], check=True)
