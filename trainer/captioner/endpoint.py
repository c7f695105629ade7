"""A captioner behind an OpenAI-compatible server: the person's own ollama, vLLM or llama.cpp.

Pictures go to this machine alone, or to the one other host that the person said yes to by its name.
"""

from __future__ import annotations

import base64
import http.client
import io
import json
import ssl
from typing import TYPE_CHECKING, Any

from trainer.captioner.asked import Asked, NoCaptioner, shown
from trainer.contract.captioning.foreign import tidy
from trainer.contract.captioning.servers import CaptionServer, NoServer, server_at
from trainer.contract.documents.parsers import parse_json

if TYPE_CHECKING:
    from PIL.Image import Image

TIMEOUT = 600.0  # seconds: a large model on a processor is slow
MOST = 1 << 20  # bytes of an answer


class Endpoint:
    """`describe` as a question to `ADDRESS/chat/completions`; a picture goes to that server and nowhere else."""

    def __init__(self, address: str, model: str, asked: Asked, agreed: str = "") -> None:
        """`agreed`: the other host that pictures may go to.

        Raises NoCaptioner: for any other before it is connected to, where nothing answers, or `model` is not served.
        """
        self.server = _allowed(address, agreed)
        served = [str(one.get("id")) for one in _listed(self._ask("GET", "/models", None).get("data"))]
        if not model and len(served) != 1:
            raise NoCaptioner(
                f"the server serves {', '.join(served) or 'no model'}: name one of its models", "--model does that"
            )
        if model and served and model not in served:
            raise NoCaptioner(f"the server does not serve {model!r}; it has {', '.join(served)}")
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
        raise NoCaptioner("the server answered without a caption; is it a chat model that sees pictures?")

    def _ask(self, method: str, path: str, body: dict[str, Any] | None) -> dict[str, Any]:
        """One question; no proxy is used, no redirection followed. Raises NoCaptioner."""
        where = self.server.shown + path
        line = _connection(self.server)
        try:
            words = None if body is None else json.dumps(body)
            line.request(method, self.server.path + path, words, {"Content-Type": "application/json"})
            answer = line.getresponse()
            raw = answer.read(MOST + 1)
        except (OSError, http.client.HTTPException, UnicodeError) as error:  # the last: a name that cannot be one
            why = getattr(error, "strerror", None) or error
            raise NoCaptioner(f"{where} does not answer ({why}); is the server started?") from None
        finally:
            line.close()
        if answer.status != 200:
            said = " ".join(raw[:300].decode("utf-8", "replace").split())
            raise NoCaptioner(f"{where} answered {answer.status}: {said}")
        found = parse_json(raw, dict).value if len(raw) <= MOST else None
        if found is None:
            raise NoCaptioner(f"{where} did not answer in JSON; the address often ends in /v1")
        return found


def _allowed(address: str, agreed: str) -> CaptionServer:
    """The server of this address, if pictures may go there. Raises NoCaptioner."""
    try:
        server = server_at(address)
    except NoServer as error:
        raise NoCaptioner(f"the address of the server: {error}", "--endpoint takes it") from None
    if not server.may_have(agreed):
        host = server.host
        raise NoCaptioner(
            f"{host} is another machine, and your pictures stay on this one without your yes; "
            f"or bring the server here: ssh -L 8000:127.0.0.1:{server.port} {host}",
            f"--send-pictures-to {host} says yes",
        )
    return server


def _connection(server: CaptionServer) -> http.client.HTTPConnection:
    if server.secure:
        return http.client.HTTPSConnection(
            server.reached_by, server.port, timeout=TIMEOUT, context=ssl.create_default_context()
        )
    return http.client.HTTPConnection(server.reached_by, server.port, timeout=TIMEOUT)


def _listed(found: Any) -> list[dict[str, Any]]:
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []
