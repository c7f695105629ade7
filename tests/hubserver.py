"""A hub on 127.0.0.1: the two questions that huggingface_hub asks of a model, and its files, with their faults."""

from __future__ import annotations

import hashlib
import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

SHA = "1f" * 20
GATED = "gated/model"
CHUNK = 1 << 16


@dataclass
class Hub:
    """What it serves, what it was asked, and how it misbehaves."""

    models: dict[str, Path]  # owner/name -> folder of its files
    about: dict[str, dict[str, Any]] = field(default_factory=dict)  # what the API says beside the files
    asked: list[str] = field(default_factory=list)  # "GET /path" in order
    slow: float = 0.0  # seconds between two pieces of a file
    cut_after: int | None = None  # bytes of a weight file after which the line is cut
    mute: bool = False  # takes questions and never answers
    url: str = ""

    def fetched(self) -> list[str]:
        """The files whose contents were asked for."""
        return [
            one.split("/resolve/")[1].split("/", 1)[1]
            for one in self.asked
            if one.startswith("GET") and "/resolve/" in one
        ]


def files_of(folder: Path) -> list[str]:
    return sorted(str(one.relative_to(folder)) for one in folder.rglob("*") if one.is_file())


def handler(hub: Hub) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: Any) -> None:
            return

        def do_HEAD(self) -> None:
            self._answer(body=False)

        def do_GET(self) -> None:
            self._answer(body=True)

        def _answer(self, body: bool) -> None:
            path = urlparse(self.path).path
            hub.asked.append(f"{self.command} {path}")
            while hub.mute:
                time.sleep(0.05)
            if path.startswith("/api/models/"):
                self._api(path.removeprefix("/api/models/"))
                return
            name, _, rest = path.strip("/").partition("/resolve/")
            file = hub.models.get(name, Path("/nowhere")) / rest.partition("/")[2]
            if name == GATED:
                self._refuse(403, "GatedRepo")
            elif file.is_file():
                self._file(file, body)
            else:
                self._refuse(404, "EntryNotFound" if name in hub.models else "RepoNotFound")

        def _api(self, rest: str) -> None:
            name = "/".join(rest.split("/")[:2])
            if name not in hub.models:
                self._refuse(401, "RepoNotFound")  # as the hub does, so that nobody learns of private ones
                return
            folder, what = hub.models[name], rest.removeprefix(name)
            sizes = {one: (folder / one).stat().st_size for one in files_of(folder)}
            if what.startswith("/tree/"):
                told: Any = [
                    {"type": "file", "path": one, "size": size, "oid": "0" * 40} for one, size in sizes.items()
                ]
            else:
                siblings = [{"rfilename": one, "size": size, "blobId": "0" * 40} for one, size in sizes.items()]
                told = {"id": name, "modelId": name, "sha": SHA, "siblings": siblings, "tags": [], "gated": False}
                told |= hub.about.get(name, {})
            self._send(200, json.dumps(told).encode(), {"Content-Type": "application/json"})

        def _file(self, file: Path, body: bool) -> None:
            data = file.read_bytes()
            own = {"ETag": f'"{hashlib.sha256(data).hexdigest()}"', "X-Repo-Commit": SHA, "Accept-Ranges": "bytes"}
            start = 0
            if asked := self.headers.get("Range"):
                start = int(asked.removeprefix("bytes=").partition("-")[0])
                own["Content-Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
            self.send_response(206 if start else 200)
            for key, value in {**own, "Content-Length": str(len(data) - start)}.items():
                self.send_header(key, value)
            self.end_headers()
            if not body:
                return
            cut = hub.cut_after if file.suffix == ".safetensors" else None
            for at in range(start, len(data), CHUNK):
                if cut is not None and at >= cut:
                    self.connection.shutdown(socket.SHUT_RDWR)
                    return
                self.wfile.write(data[at : at + CHUNK])
                if file.suffix == ".safetensors":
                    time.sleep(hub.slow)

        def _refuse(self, code: int, reason: str) -> None:
            self._send(code, b"{}", {"X-Error-Code": reason, "X-Error-Message": reason})

        def _send(self, code: int, data: bytes, headers: dict[str, str]) -> None:
            self.send_response(code)
            for key, value in {**headers, "Content-Length": str(len(data))}.items():
                self.send_header(key, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(data)

    return Handler


@contextmanager
def serving(models: dict[str, Path], **own: Any) -> Iterator[Hub]:
    """The hub, until the end of the block."""
    hub = Hub(models, **own)
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler(hub))
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    hub.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield hub
    finally:
        hub.mute = False
        server.shutdown()
        server.server_close()
