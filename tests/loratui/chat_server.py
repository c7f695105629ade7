"""An OpenAI-compatible server on this machine that remembers what it was asked."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Server(ThreadingHTTPServer):
    """Answers as ollama does, unless told to answer otherwise; remembers what it was asked."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.models = ["qwen3-vl:4b"]
        self.says: str | None = "<think>hm</think>The image shows a red star on grey ground."
        self.raw: bytes | None = None
        self.status = 200
        self.asked: list[dict[str, Any]] = []
        self.lines: list[str] = []  # the first line of each request, a proxy's too
        self.elsewhere = "http://127.0.0.1:1/elsewhere"

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"

    def called(self, host: str) -> str:
        """The same server under another name of this machine."""
        return self.address.replace("127.0.0.1", host)


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        found = {"data": [{"id": one} for one in self.server.models]}
        self.answer(json.dumps(found).encode(), 200 if self.path == "/v1/models" else 404)

    def do_POST(self) -> None:
        self.server.asked.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        said = json.dumps({"choices": [{"message": {"content": self.server.says}}]}).encode()
        self.answer(said if self.server.raw is None else self.server.raw, self.server.status)

    def answer(self, raw: bytes, status: int = 200) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(raw)))
        self.send_header("Location", self.server.elsewhere)
        self.end_headers()
        self.wfile.write(raw)

    def log_message(self, *_: object) -> None:
        """Kept, and nothing on stderr."""
        self.server.lines.append(self.requestline)


@contextmanager
def served() -> Iterator[Server]:
    """One that answers until the block ends."""
    with Server() as made:
        thread = threading.Thread(target=made.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield made
        finally:
            made.shutdown()
            thread.join()
