"""A real server on this machine that is told the ends of runs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest

from trainer.contract.run.notify import NAME

CANARY = "canaryTOKENcanary"


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[dict[str, str]]]:
    """What the server was sent; its address stands in the environment."""
    found: list[dict[str, str]] = []

    class Server(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            found.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200 if CANARY in self.path else 403)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Nothing is printed."""

    server = HTTPServer(("127.0.0.1", 0), Server)
    Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv(NAME, f"json://127.0.0.1:{server.server_port}/{CANARY}")
    yield found
    server.shutdown()
    server.server_close()
