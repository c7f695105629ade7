"""One Slurm for all tests of this folder, and the real program beside it."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.cluster import single_node
from tests.loratui.conftest import answers_file, environment, loratui, pictures

__all__ = ["answers_file", "environment", "loratui", "pictures"]


@pytest.fixture(scope="session")
def slurm(environment: dict[str, str]) -> Iterator[Callable[..., str]]:
    """Starts Slurm, shows it to all programs, and runs one of its commands: what it printed."""
    if reason := single_node.missing():
        pytest.skip(reason)
    if importlib.util.find_spec("submitit") is None:
        pytest.skip("submitit is not installed here: pip install 'loratui[slurm]'")
    folder = Path(tempfile.mkdtemp(prefix="loratui-slurm-"))
    environment |= single_node.start(folder)

    def ask(*words: object) -> str:
        command = [str(word) for word in words]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    yield ask
    single_node.stop(folder)
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(autouse=True)
def no_job_is_left(slurm: Callable[..., str]) -> Iterator[None]:
    """A test begins with a free node, and leaves one."""
    yield
    slurm("scancel", "--full", "--me")
