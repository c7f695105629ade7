"""`loratui caption --endpoint`: a real server on 127.0.0.1 is asked, no other machine ever is."""

from __future__ import annotations

import base64
import io
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from trainer.captioner.__main__ import main
from trainer.captioner.asked import Asked, NoCaptioner
from trainer.captioner.endpoint import MOST, Endpoint
from trainer.contract.run import exits

ASKED = Asked(60, "Describe this picture.")


class Server(ThreadingHTTPServer):
    """Answers as ollama does, unless told to answer otherwise; remembers what it was asked."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.models = ["qwen3-vl:4b"]
        self.says: str | None = "<think>hm</think>The image shows a red star on grey ground."
        self.raw: bytes | None = None
        self.status = 200
        self.asked: list[dict[str, Any]] = []

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        assert self.path == "/v1/models"
        self.answer(json.dumps({"data": [{"id": one} for one in self.server.models]}).encode())

    def do_POST(self) -> None:
        assert self.path == "/v1/chat/completions"
        self.server.asked.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        said = json.dumps({"choices": [{"message": {"content": self.server.says}}]}).encode()
        self.answer(said if self.server.raw is None else self.server.raw, self.server.status)

    def answer(self, raw: bytes, status: int = 200) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(raw)))
        self.send_header("Location", "http://127.0.0.1:1/elsewhere")
        self.end_headers()
        self.wfile.write(raw)

    def log_message(self, *_: object) -> None:
        """Nothing on stderr."""


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as made:
        thread = threading.Thread(target=made.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield made
        made.shutdown()
        thread.join()


def test_it_sends_the_picture_with_what_is_wanted_and_takes_the_answer(server: Server) -> None:
    captioner = Endpoint(server.address, "", ASKED)
    assert captioner.describe(Image.new("RGB", (2000, 1000), "red")) == "a red star on grey ground"
    (asked,) = server.asked
    assert (asked["model"], asked["max_tokens"], asked["temperature"]) == ("qwen3-vl:4b", 120, 0)
    text, image = asked["messages"][0]["content"]
    assert text["text"] == ASKED.instruction
    raw = base64.b64decode(image["image_url"]["url"].removeprefix("data:image/jpeg;base64,"))
    with Image.open(io.BytesIO(raw)) as sent:
        assert sent.size == (1024, 512) and not sent.getexif()


@pytest.mark.parametrize(
    "address",
    ["http://192.168.1.9:8000/v1", "http://example.com/v1", "http://127.0.0.1.example.com/v1", "http://0x7f.1/v1"],
)
def test_another_machine_is_never_asked(address: str) -> None:
    with pytest.raises(NoCaptioner, match="another machine"):
        Endpoint(address, "any", ASKED)


@pytest.mark.parametrize(
    "address", ["https://127.0.0.1/v1", "127.0.0.1:8000/v1", "http://127.0.0.1:99999/v1", "http://[::1/"]
)
def test_what_is_no_address_is_a_sentence(address: str) -> None:
    with pytest.raises(NoCaptioner, match=r"127\.0\.0\.1"):
        Endpoint(address, "any", ASKED)


def test_a_model_that_is_not_served_is_named_with_those_that_are(server: Server) -> None:
    with pytest.raises(NoCaptioner, match="does not serve 'other'; it has qwen3-vl:4b"):
        Endpoint(server.address, "other", ASKED)
    server.models.append("llava")
    with pytest.raises(NoCaptioner, match="serves qwen3-vl:4b, llava: name one"):
        Endpoint(server.address, "", ASKED)
    assert Endpoint(server.address, "llava", ASKED).model == "llava"


@pytest.mark.parametrize(
    ("status", "raw", "words"),
    [
        (500, b"no memory", "answered 500: no memory"),
        (302, b"", "answered 302"),  # it is not followed
        (200, b"<html>", "did not answer in JSON"),
        (200, b"[" * 100_000, "did not answer in JSON"),
        (200, b" " * (MOST + 2), "did not answer in JSON"),
        (200, b'{"choices": [{"message": {"content": null}}]}', "without a caption"),
        (200, b'{"choices": 3}', "without a caption"),
    ],
)
def test_an_answer_that_is_none_is_a_sentence(server: Server, status: int, raw: bytes, words: str) -> None:
    captioner = Endpoint(server.address, "", ASKED)
    server.status, server.raw = status, raw
    with pytest.raises(NoCaptioner, match=words):
        captioner.describe(Image.new("RGB", (8, 8)))


def test_where_nothing_listens_the_server_is_asked_for(server: Server) -> None:
    address = server.address
    server.server_close()
    with pytest.raises(NoCaptioner, match="is the server started"):
        Endpoint(address, "", ASKED)


@pytest.mark.slow
def test_captions_are_written_with_the_trigger(
    server: Server, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    Image.new("RGB", (64, 64), "red").save(tmp_path / "a.png")
    assert main([f"--endpoint={server.address}", "--trigger=TOK", "--", str(tmp_path)]) == exits.DONE
    assert (tmp_path / "a.txt").read_text().strip() == "TOK, a red star on grey ground"
    assert '"model": "qwen3-vl:4b"' in capfd.readouterr().out
    (tmp_path / "a.txt").unlink()
    assert main([f"--endpoint={server.address}", "--model=other", "--", str(tmp_path)]) == exits.USAGE
    assert not (tmp_path / "a.txt").exists()
