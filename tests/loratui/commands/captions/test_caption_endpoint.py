"""`loratui caption --endpoint`: a real server on 127.0.0.1 is asked; another host only after a plain yes."""

from __future__ import annotations

import base64
import io
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from tests.loratui.chat_server import Server, served
from tests.loratui.conftest import LoraTUI
from tests.ptys import Pty
from trainer.captioner.__main__ import main
from trainer.captioner.asked import Asked, NoCaptioner
from trainer.captioner.endpoint import MOST, Endpoint
from trainer.contract.captioning.servers import server_at
from trainer.contract.run import exits

ASKED = Asked(60, "Describe this picture.")


@pytest.fixture
def server() -> Iterator[Server]:
    with served() as made:
        yield made


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


ELSEWHERE = "0.0.0.0"  # reaches this machine, and is no address of its own: as any other host would be


@pytest.mark.parametrize(
    "host",
    [
        ELSEWHERE,
        "[::ffff:192.0.2.1]",
        "localhost.example.com",
        "0x7f.1",
        "127.1",
        "2130706433",
        "127.0.0.1.example.com",
        "me@192.168.1.9",
        "127.0.0.1@0.0.0.0",
    ],
)
def test_another_host_is_not_connected_to_without_a_yes_to_that_host(server: Server, host: str) -> None:
    for agreed in ("", "127.0.0.1", "example.com", "yes"):
        with pytest.raises(NoCaptioner, match="another machine, and your pictures stay"):
            Endpoint(server.called(host), "", ASKED, agreed)
    assert not server.lines


def test_with_a_yes_to_it_another_host_is_asked(server: Server) -> None:
    captioner = Endpoint(server.called(ELSEWHERE), "", ASKED, ELSEWHERE)
    assert captioner.describe(Image.new("RGB", (8, 8), "red")) == "a red star on grey ground"
    assert len(server.asked) == 1 and captioner.server.shown == server.called(ELSEWHERE)


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.0.0.53", "localhost", "LOCALHOST", "localhost.", "[::1]", "[::ffff:127.0.0.1]"]
)
def test_this_machine_is_its_loopback_and_nothing_else(host: str) -> None:
    assert server_at(f"http://{host}:8000/v1").is_own


def test_no_proxy_of_the_environment_and_no_redirection_gets_a_picture(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    with served() as other:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY", "https_proxy"):
            monkeypatch.setenv(name, other.address)
        server.elsewhere = other.address + "/chat/completions"
        for host in ("127.0.0.1", ELSEWHERE):
            captioner = Endpoint(server.called(host), "", ASKED, ELSEWHERE)
            server.status = 200
            assert captioner.describe(Image.new("RGB", (8, 8)))
            for status in (301, 302, 303, 307, 308):
                server.status = status
                with pytest.raises(NoCaptioner, match=f"answered {status}"):
                    captioner.describe(Image.new("RGB", (8, 8)))
        assert len(server.asked) == 12 and not other.lines


@pytest.mark.parametrize(
    "address",
    [
        "ftp://127.0.0.1/v1",
        "127.0.0.1:8000/v1",
        "http://127.0.0.1/é",
        "http://127.0.0.1:99999/v1",
        "http://[::1/",
        "http://127.0.0.1:0/v1",
        "http://a b/v1",
        "http://a\x1bb/v1",
        "http://a\\b/v1",
    ],
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


@pytest.mark.slow
def test_the_command_sends_nothing_to_another_host_without_its_name(
    server: Server, loratui: LoraTUI, tmp_path: Path
) -> None:
    Image.new("RGB", (64, 64), "red").save(tmp_path / "a.png")
    address = server.called(ELSEWHERE)
    done = loratui("caption", tmp_path, "--endpoint", address, "--dry-run")
    assert done.returncode == exits.DONE and "1 picture will leave this machine for 0.0.0.0" in done.stdout
    for words in ((), ("--yes",), ("--send-pictures-to", "example.com")):
        done = loratui("caption", tmp_path, "--endpoint", address, *words)
        assert done.returncode == exits.USAGE and "--send-pictures-to 0.0.0.0 says yes" in done.stderr
    assert not server.lines
    done = loratui("caption", tmp_path, "--endpoint", address, "--send-pictures-to", ELSEWHERE)
    assert done.returncode == exits.DONE and len(server.asked) == 1
    assert (tmp_path / "a.txt").read_text() == "TOK, a red star on grey ground\n"


@pytest.mark.slow
@pytest.mark.parametrize(("key", "sent"), [(b"\r", 0), (b"n\r", 0), (b"\x04", 0), (b"y\r", 1)])
def test_at_a_terminal_the_host_is_asked_and_enter_is_a_no(
    server: Server, tmp_path: Path, environment: dict[str, str], key: bytes, sent: int
) -> None:
    Image.new("RGB", (64, 64), "red").save(tmp_path / "a.png")
    command = [sys.executable, "-m", "loratui", "caption", str(tmp_path), "--endpoint", server.called(ELSEWHERE)]
    with Pty(command, tmp_path, environment) as pty:
        pty.until(lambda wrote: b"Send them? [y/N]" in wrote)
        assert b"leave this machine for 0.0.0.0" in pty.wrote and not server.lines
        pty.type(key)
        assert pty.end() == (exits.DONE if sent else exits.USAGE)
    assert len(server.asked) == sent and (tmp_path / "a.txt").exists() == bool(sent)
