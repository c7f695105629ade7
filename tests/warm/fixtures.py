"""The fixtures `warm` and `warm_loratui`: what a test starts is forked off a server that all workers share."""

from __future__ import annotations

import fcntl
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.warm.client import PATIENCE, PLACE, ROOT, WarmPopen


class WarmServers:
    """The servers of this test session, started when they are first asked for; they end with the last worker."""

    def __init__(self, folder: Path, home: Path) -> None:
        self.folder, self._home = folder, home
        self._held: dict[str, socket.socket] = {}
        self._mine: list[subprocess.Popen[bytes]] = []
        folder.mkdir(exist_ok=True)

    def need(self, name: str) -> None:
        """Start the server unless another worker did."""
        if name in self._held:
            return
        with (self.folder / f"{name}.lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            link = socket.socket(socket.AF_UNIX)
            try:
                link.connect(str(self.folder / f"{name}.held"))
            except OSError:
                self._start(name)
                link.connect(str(self.folder / f"{name}.held"))
            self._held[name] = link

    def _start(self, name: str) -> None:
        ready = self.folder / f"{name}.json"
        ready.unlink(missing_ok=True)
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("XDG_", "HF_", "LORATUI"))}
        own = {"HF_ENDPOINT": "http://127.0.0.1:9", "HOME": str(self._home), "OMP_NUM_THREADS": "1"}
        with (self.folder / f"{name}.log").open("a") as log:
            server = subprocess.Popen(
                [sys.executable, "-m", "tests.warm.server", str(self.folder), name],
                cwd=ROOT,
                env=kept | own,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._mine.append(server)
        end = time.monotonic() + PATIENCE
        while not ready.exists():
            assert server.poll() is None and time.monotonic() < end, Path(log.name).read_text()
            time.sleep(0.02)

    def close(self) -> None:
        for link in self._held.values():
            link.close()
        for server in self._mine:  # until the last worker has let it go; its processor time counts as the suite's
            server.wait()


@pytest.fixture(scope="session")
def warm_servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WarmServers]:
    """One of each for all workers."""
    base = tmp_path_factory.getbasetemp()
    folder = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    with ExitStack() as stack:
        servers = WarmServers(folder / "warm", tmp_path_factory.mktemp("warm-home"))
        stack.callback(servers.close)
        yield servers


@pytest.fixture
def warm_loratui(warm_servers: WarmServers, monkeypatch: pytest.MonkeyPatch) -> None:
    """`python -m loratui` starts warm."""
    warm_servers.need("loratui")
    monkeypatch.setenv(PLACE, str(warm_servers.folder))
    monkeypatch.setattr(subprocess, "Popen", WarmPopen)


@pytest.fixture
def warm(warm_loratui: None, warm_servers: WarmServers) -> None:
    """So does `python -m trainer`, and what `python -m loratui` starts of it."""
    warm_servers.need("trainer")
