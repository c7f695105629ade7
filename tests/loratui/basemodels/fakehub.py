"""A hub on 127.0.0.1 that speaks what huggingface_hub sends for a new repository and one commit, and remembers it."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Hub(ThreadingHTTPServer):
    """What arrived: files by name, the repositories with their visibility, and each request's authorization."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answer)
        self.files: dict[str, bytes] = {}
        self.repositories: dict[str, str] = {}  # name -> private or public
        self.authorizations: list[str | None] = []
        self.paths: list[str] = []
        self.status = 0  # answer every request with this, where it is set
        self.commit_status = 0

    @property
    def url(self) -> str:
        """For HF_ENDPOINT."""
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Answer(BaseHTTPRequestHandler):
    server: Hub

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def do_GET(self) -> None:
        self._note()
        if self.server.status:
            return self._say({"error": "no"}, self.server.status)
        if self.path == "/api/whoami-v2":
            return self._say({"type": "user", "name": "ann"})
        name = self.path.removeprefix("/api/models/").partition("?")[0]
        if name in self.server.repositories:
            private = self.server.repositories[name] == "private"
            return self._say({"id": name, "modelId": name, "private": private, "tags": [], "siblings": []})
        self._say({"error": "not found"}, 404)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self._note()
        if self.server.status:
            return self._say({"error": "no"}, self.server.status)
        path = self.path.partition("?")[0]
        if path == "/api/repos/create":
            given = json.loads(body)
            name = f"{given.get('organization') or 'ann'}/{given['name']}"
            if name in self.server.repositories:
                return self._say({"error": "You already created this model repo"}, 409)
            self.server.repositories[name] = given.get("visibility") or (
                "private" if given.get("private") else "public"
            )
            return self._say({"url": f"{self.server.url}/{name}", "name": name, "id": name})
        if path == "/api/validate-yaml":
            return self._say({"errors": [], "warnings": []})
        if path.endswith("/preupload/main"):
            names = [one["path"] for one in json.loads(body)["files"]]
            return self._say(
                {"files": [{"path": name, "uploadMode": "regular", "shouldIgnore": False} for name in names]}
            )
        if path.endswith("/commit/main"):
            if self.server.commit_status:
                return self._say({"error": "out of room"}, self.server.commit_status)
            for line in body.splitlines():
                one = json.loads(line)
                if one["key"] == "file":
                    self.server.files[one["value"]["path"]] = base64.b64decode(one["value"]["content"])
            name = path.removeprefix("/api/models/").removesuffix("/commit/main")
            return self._say(
                {"success": True, "commitOid": "0" * 40, "commitUrl": f"{self.server.url}/{name}/commit/{'0' * 40}"}
            )
        self._say({"error": f"nobody speaks {path}"}, 404)

    def _note(self) -> None:
        self.server.paths.append(self.path)
        self.server.authorizations.append(self.headers.get("Authorization"))

    def _say(self, answer: dict[str, Any], status: int = 200) -> None:
        raw = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)


@contextmanager
def fake_hub() -> Iterator[Hub]:
    """A hub for as long as the context lasts."""
    hub = Hub()
    thread = threading.Thread(target=hub.serve_forever, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        hub.shutdown()
        hub.server_close()
        thread.join()
