"""The fixtures `warm`, `warm_trainer` and `cold`: what a test starts is forked off a server that all workers share."""

from __future__ import annotations

import fcntl
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.warm import client
from tests.warm.client import PATIENCE, PLACE, ROOT, WarmPopen


class WarmServers:
    """The servers of this test session, started when they are first asked for; they end with the last worker."""

    def __init__(self, folder: Path, home: Path) -> None:
        self.folder = folder
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("XDG_", "LORATUI"))}
        self._environment = kept | {"HOME": str(home), "OMP_NUM_THREADS": "1"}
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
        with (self.folder / f"{name}.log").open("a") as log:
            server = subprocess.Popen(
                [client.PYTHON, "-m", "tests.warm.server", str(self.folder), name],
                cwd=ROOT,
                env=self._environment,
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

    @contextmanager
    def active(self, *names: str, lazy: tuple[str, ...] = ("loratui", "trainer")) -> Iterator[None]:
        """Starts are warm in here; the servers of `names` are ready now, those of `lazy` when they are needed."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv(PLACE, str(self.folder))
            patch.setattr(subprocess, "Popen", WarmPopen)
            patch.setattr(client, "starters", [lambda name: self.need(name) if name in lazy else None])
            for name in names:
                self.need(name)
            yield

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
def warm(warm_servers: WarmServers) -> Iterator[None]:
    """`python -m loratui` and `python -m trainer` start warm, also where the one starts the other."""
    with warm_servers.active():
        yield


@pytest.fixture
def warm_trainer(warm: None, warm_servers: WarmServers) -> None:
    """The same, with the server of the trainer ready for those that are started by a started loratui."""
    warm_servers.need("trainer")


@pytest.fixture
def cold(warm: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Starts are the real ones after all, imports included."""
    monkeypatch.delenv(PLACE)
