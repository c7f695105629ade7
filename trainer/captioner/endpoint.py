"""A captioner behind an OpenAI-compatible server on this machine: the person's own ollama, vLLM or llama.cpp."""

from __future__ import annotations

import base64
import http.client
import io
import ipaddress
import json
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from trainer.captioner.asked import Asked, NoCaptioner, shown
from trainer.contract.captioning.foreign import tidy
from trainer.contract.documents.parsers import parse_json

if TYPE_CHECKING:
    from PIL.Image import Image

TIMEOUT = 600.0  # seconds: a large model on a processor is slow
MOST = 1 << 20  # bytes of an answer


class Endpoint:
    """`describe` as a question to `ADDRESS/chat/completions`; a picture goes to this machine and nowhere else."""

    def __init__(self, address: str, model: str, asked: Asked) -> None:
        """Raises NoCaptioner for another host, and where nothing answers or `model` is not served there."""
        self._host, self._port, self._path = _place(address)
        served = [str(one.get("id")) for one in _listed(self._ask("GET", "/models", None).get("data"))]
        if not model and len(served) != 1:
            raise NoCaptioner(f"--endpoint serves {', '.join(served) or 'no model'}: name one with --model")
        if model and served and model not in served:
            raise NoCaptioner(f"--endpoint does not serve {model!r}; it has {', '.join(served)}")
        self.model, self._asked = model or served[0], asked

    def describe(self, picture: Image) -> str:
        """The answer in one line; at temperature 0 and one seed, as far as the server heeds them."""
        sent = io.BytesIO()
        shown(picture).save(sent, "JPEG", quality=92)
        image = "data:image/jpeg;base64," + base64.b64encode(sent.getvalue()).decode("ascii")
        content = [
            {"type": "text", "text": self._asked.instruction},
            {"type": "image_url", "image_url": {"url": image}},
        ]
        question = {
            "model": self.model,
            "messages": [{"role": "user", "content": content}],
            "max_tokens": self._asked.longest,
            "temperature": 0,
            "seed": 0,
        }
        for choice in _listed(self._ask("POST", "/chat/completions", question).get("choices")):
            message = choice.get("message")
            if isinstance(message, dict) and isinstance(message.get("content"), str):
                return tidy(message["content"].rpartition("</think>")[2])
        raise NoCaptioner("--endpoint answered without a caption; is it a chat model that sees pictures?")

    def _ask(self, method: str, path: str, body: dict[str, Any] | None) -> dict[str, Any]:
        """One question; no proxy is used, no redirection followed. Raises NoCaptioner."""
        where = f"{self._host}:{self._port}{self._path}{path}"
        line = http.client.HTTPConnection(self._host, self._port, timeout=TIMEOUT)
        try:
            words = None if body is None else json.dumps(body)
            line.request(method, self._path + path, words, {"Content-Type": "application/json"})
            answer = line.getresponse()
            raw = answer.read(MOST + 1)
        except (OSError, http.client.HTTPException) as error:
            why = getattr(error, "strerror", None) or error
            raise NoCaptioner(f"--endpoint: {where} does not answer ({why}); is the server started?") from None
        finally:
            line.close()
        if answer.status != 200:
            said = " ".join(raw[:300].decode("utf-8", "replace").split())
            raise NoCaptioner(f"--endpoint: {where} answered {answer.status}: {said}")
        found = parse_json(raw, dict).value if len(raw) <= MOST else None
        if found is None:
            raise NoCaptioner(f"--endpoint: {where} did not answer in JSON; the address often ends in /v1")
        return found


def _place(address: str) -> tuple[str, int, str]:
    """Host, port and path of an address on this machine. Raises NoCaptioner."""
    try:
        parts = urlsplit(address)
        host, port = parts.hostname or "", parts.port or 80
    except ValueError:
        raise NoCaptioner(f"--endpoint {address}: no address; one is http://127.0.0.1:11434/v1") from None
    if parts.scheme != "http" or not host:
        raise NoCaptioner(f"--endpoint {address}: http://127.0.0.1:PORT/v1 is wanted")
    if not _is_here(host):
        said = "is another machine, and your pictures stay on this one; start the server here"
        raise NoCaptioner(f"--endpoint {host} {said}, or bring it here with ssh -L 8000:127.0.0.1:8000 THAT_MACHINE")
    return ("127.0.0.1" if host == "localhost" else host), port, parts.path.rstrip("/")


def _is_here(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _listed(found: Any) -> list[dict[str, Any]]:
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []
