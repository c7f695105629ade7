"""Where a captioner's server is: on this machine, or on one that pictures would have to leave this machine for."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from trainer.contract.units import plural

EXAMPLE = "http://127.0.0.1:11434/v1"  # where ollama listens
PORTS = {"http": 80, "https": 443}
NAME = re.compile(r"[\w.:%~-]+")  # a host's: blanks and the like would only be refused while connecting
HERE = "localhost"  # the one name that is taken for this machine; others mean what a resolver says today


class NoServer(ValueError):
    """No address of a server; the text says why and what one looks like."""


@dataclass(frozen=True)
class CaptionServer:
    """An OpenAI-compatible server; `path` is what stands before `/chat/completions`."""

    host: str
    port: int
    path: str
    secure: bool

    @property
    def is_own(self) -> bool:
        """Whether what is sent stays on this machine: judged by the address, never by what a name resolves to."""
        try:
            address = ipaddress.ip_address(self.reached_by)
        except ValueError:
            return False
        return (getattr(address, "ipv4_mapped", None) or address).is_loopback

    def may_have(self, agreed: str) -> bool:
        """Whether pictures may go there: it is this machine, or the host that was said yes to, in whatever case."""
        return self.is_own or agreed.lower() == self.host

    @property
    def reached_by(self) -> str:
        """What is connected to: `localhost` without asking a resolver."""
        return "127.0.0.1" if self.host in (HERE, f"{HERE}.") else self.host

    @property
    def shown(self) -> str:
        """The address in words, without a name or password that may stand in it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self.secure else 'http'}://{host}:{self.port}{self.path}"

    def leaving(self, count: int) -> str:
        """What an answer of yes would do, in a sentence."""
        open_line = "" if self.secure else ", readable on the way (http)"
        return f"{plural(count, 'picture')} will leave this machine for {self.host}, which is another one{open_line}"


def server_at(address: str) -> CaptionServer:
    """The server of an address such as `EXAMPLE`. Raises NoServer."""
    try:
        parts = urlsplit(address)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise NoServer(f"{address}: no address; one is {EXAMPLE}") from None
    if parts.scheme not in PORTS or not host or port == 0 or not address.isascii() or not NAME.fullmatch(host):
        raise NoServer(f"{address}: an address such as {EXAMPLE} is wanted")
    return CaptionServer(host, port or PORTS[parts.scheme], parts.path.rstrip("/"), parts.scheme == "https")
