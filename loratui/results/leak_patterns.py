"""What in a text gives away a secret, a person or this machine, and how it is named without being told again."""

from __future__ import annotations

import ipaddress
import netrc
import os
import platform
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from loratui.terminal.text import plural
from trainer.contract.basemodel.hub_cache import hub_login
from trainer.contract.run.notify import NAME as NOTIFY
from trainer.contract.run.notify import addresses
from trainer.contract.run.rundir import home_folder

Code = Literal["token", "key", "password", "email", "address", "host", "home", "metadata", "file"]

SHORTEST = 8  # letters of a secret that is looked for by its value: a shorter one is a word
SECRET_NAMES = frozenset({"TOKEN", "SECRET", "PASSWORD", "PASSWD", "KEY", "APIKEY", "PAT"})
LOCAL = Path("/proc/net")  # where Linux tells the addresses of this machine
KNOWN_BYTES = 1 << 16
NO_MAIL = ("safetensors", "png", "jpg", "jpeg", "json", "toml", "txt", "md", "py")  # endings of files, not of domains
EXAMPLES = re.compile(r"@(?:[\w-]+\.)*example\.(?:com|org|net)$|^git@", re.IGNORECASE)


@dataclass(frozen=True)
class Pattern:
    """One kind of text that nobody else should read; `shown` is what of a match may be said again.

    Each begins where a word begins, and what may be long has a limit: a header of megabytes is read in one pass.
    """

    code: Code
    what: str
    expression: re.Pattern[str]
    shown: Callable[[re.Match[str]], str]


def _start(found: re.Match[str]) -> str:
    """The public beginning of a token, such as ghp_, and how long it is."""
    whole = found[0]
    begin = re.match(r"[A-Za-z0-9]{2,8}[_-]|[A-Za-z]{4}", whole)
    return f"{begin[0] if begin else ''}… ({plural(len(whole), 'character')})"


def _before(found: re.Match[str]) -> str:
    """All but the group `secret`, which is the only one."""
    start, end = found.start("secret") - found.start(), found.end("secret") - found.start()
    return f"{found[0][:start]}…{found[0][end:]}"[:80]


def _mail(found: re.Match[str]) -> str:
    return f"{found[0][0]}…@{found[0].rpartition('@')[2]}"


def _pattern(code: Code, what: str, expression: str, shown: Callable[[re.Match[str]], str] = _start) -> Pattern:
    return Pattern(code, what, re.compile(rf"(?<![A-Za-z0-9])(?:{expression})"), shown)


PATTERNS = (
    _pattern("token", "a token of Hugging Face", r"(?:hf|api_org)_[A-Za-z0-9]{20,200}"),
    _pattern("token", "a token of GitHub", r"gh[pousr]_[A-Za-z0-9]{20,255}|github_pat_\w{20,255}"),
    _pattern("token", "a token of GitLab", r"gl(?:pat|rt|dt)-[\w-]{20,100}"),
    _pattern("token", "a key of OpenAI, Anthropic or their like", r"sk-(?=[A-Za-z_-]{0,60}\d)[A-Za-z0-9_-]{20,200}"),
    _pattern("token", "a key of Stripe", r"[rs]k_(?:live|test)_[A-Za-z0-9]{20,100}"),
    _pattern("token", "a key of AWS", r"A(?:KI|SI)A[A-Z0-9]{16}(?![A-Za-z0-9])"),
    _pattern("token", "a key of Google", r"AIza[0-9A-Za-z_-]{35}"),
    _pattern("token", "a token of Slack", r"xox[abeoprs]-[A-Za-z0-9-]{10,200}|xapp-[A-Za-z0-9-]{20,200}"),
    _pattern("token", "a hook of Slack", r"https://hooks\.slack\.com/services/(?P<secret>[\w/]{20,100})", _before),
    _pattern("token", "a token of Replicate, npm or PyPI", r"(?:r8|npm)_[A-Za-z0-9]{30,60}|pypi-[\w-]{40,300}"),
    _pattern("token", "a signed token (JWT)", r"eyJ[\w-]{10,2000}\.eyJ[\w-]{10,4000}\.[\w-]{10,2000}"),
    _pattern(
        "token", "a bearer token", r"[Bb]earer\s{1,3}(?P<secret>(?=[\w.~+/-]{0,99}\d)[\w.~+/-]{20,2000}={0,2})", _before
    ),
    _pattern(
        "token",
        "a secret of a setting",
        r"(?i:\w{0,40}?(?:token|secret|api_?key|access_?key)\w{0,20}[\"']?\s{0,3}=\s{0,3}[\"']?)"
        r"(?P<secret>(?=[\w+/.~-]{0,99}\d)[\w+/.~-]{8,200})",
        _before,
    ),
    _pattern("key", "an age key", r"AGE-SECRET-KEY-1[A-Z0-9]{20,100}", lambda found: "AGE-SECRET-KEY-1…"),
    _pattern("key", "a key of PuTTY", r"PuTTY-User-Key-File-\d", lambda found: f"{found[0]} …"),
    Pattern(
        "key",
        "a private key",
        re.compile(r"-----BEGIN (?:[A-Z0-9]{1,20} ){0,3}PRIVATE KEY(?: BLOCK)?-----"),
        lambda found: f"{found[0]} …",
    ),
    _pattern(
        "password",
        "a login as in .netrc",
        r"login\s{1,9}\S{1,100}\s{1,9}(?:account\s{1,9}\S{1,100}\s{1,9})?password\s{1,9}(?P<secret>\S{1,200})",
        _before,
    ),
    _pattern(
        "password",
        "an address with a password",
        r"[A-Za-z][A-Za-z0-9+.-]{1,20}://[^\s/:@?#]{0,100}:(?P<secret>[^\s/@]{1,200})@[^\s/]{1,100}",
        _before,
    ),
    _pattern(
        "password",
        "a password",
        r"(?i:\w{0,20}?(?:password|passwd|passphrase)[\"']?\s{0,3}[=:]\s{0,3})[\"']?(?P<secret>[^\s\"',;]{6,200})",
        _before,
    ),
)
MAIL = re.compile(
    r"(?<![\w.%+:/-])[A-Za-z0-9._%+-]{1,64}@"
    r"(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,62}[A-Za-z0-9])?\.){1,6}[A-Za-z]{2,24}(?![\w-])"
)
V4 = re.compile(r"(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?![\w.]*\d)")
V6 = re.compile(r"(?<![\w:])(?:[0-9a-fA-F]{1,4}:{1,2}){2,7}[0-9a-fA-F]{0,4}(?![\w:])")


PRIVATE = tuple(
    map(
        ipaddress.ip_network,
        ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "fc00::/7", "fe80::/10"),
    )
)


@dataclass(frozen=True)
class Telltale:
    """One thing found in a text: its kind, a sentence that does not tell it again, and where it begins."""

    code: Code
    said: str
    at: int


@dataclass(frozen=True)
class Machine:
    """What of this machine and its person must not be told: compared with the texts, and shown to nobody."""

    home: str
    hosts: tuple[str, ...]
    addresses: frozenset[str]
    secrets: tuple[tuple[str, str], ...]  # each with where it is from

    @classmethod
    def here(cls) -> Machine:
        """As it is now; nothing is asked of the network."""
        host = platform.node()
        names = dict.fromkeys((host, host.partition(".")[0]))
        hosts = tuple(one for one in names if one not in ("", "localhost"))
        return cls(str(home_folder()), hosts, _own_addresses(), tuple(_known_secrets()))


def telltales(text: str, machine: Machine) -> Iterator[Telltale]:
    """Everything in `text` that gives something away, each as often as it stands there."""
    for one in PATTERNS:
        for found in one.expression.finditer(text):
            yield Telltale(one.code, f"it holds what looks like {one.what}: {one.shown(found)}", found.start())
    for value, name in machine.secrets:
        if (at := text.find(value)) >= 0:
            yield Telltale("token", f"it holds the token or key of {name}", at)
    for found in MAIL.finditer(text):
        if found[0].rpartition(".")[2].lower() not in NO_MAIL and not EXAMPLES.search(found[0]):
            yield Telltale("email", f"it holds an e-mail address: {_mail(found)}", found.start())
    yield from _places(text, machine)


def _places(text: str, machine: Machine) -> Iterator[Telltale]:
    """The home folder, the name and the addresses of this machine."""
    own = re.escape(machine.home) + r"(?![A-Za-z0-9_-])"
    if len(machine.home) > 1 and (found := re.search(own, text)):
        yield Telltale("home", "it names the home folder of this machine", found.start())
    elif found := re.search(r"(?<![\w.])/(?:home|Users)/[A-Za-z0-9._-]|(?<!\w)[A-Za-z]:\\{1,2}Users\\{1,2}\w", text):
        yield Telltale("home", "it names a person's home folder (/home/... or /Users/...)", found.start())
    for one in machine.hosts:
        if found := re.search(rf"(?<![A-Za-z0-9]){re.escape(one)}(?![A-Za-z0-9])", text):
            yield Telltale("host", "it names this machine", found.start())
    for found in (*V4.finditer(text), *V6.finditer(text)):
        if what := _address_words(found[0], machine.addresses):
            yield Telltale("address", f"it holds {what}", found.start())


def _address_words(written: str, own: frozenset[str]) -> str:
    try:
        address = ipaddress.ip_address(written)
    except ValueError:
        return ""
    if address.is_loopback:
        return ""  # everyone's
    if str(address) in own:
        return "an address of this machine"
    return "an address of a private network" if any(address in one for one in PRIVATE) else ""


def _own_addresses() -> frozenset[str]:
    """The addresses of this machine as Linux lists them; none elsewhere. Nothing is asked of the network."""
    found = set()
    v4 = re.findall(r"\|-- (\S+)\n\s+/32 host LOCAL", _start_of(LOCAL / "fib_trie"))
    v6 = re.findall(r"^([0-9a-f]{32}) ", _start_of(LOCAL / "if_inet6"), re.MULTILINE)
    for one in (*v4, *(":".join(re.findall("....", number)) for number in v6)):
        try:
            found.add(str(ipaddress.ip_address(one)))
        except ValueError:
            continue
    return frozenset(found)


def _known_secrets() -> Iterator[tuple[str, str]]:
    """The secrets that this machine holds for the person, with where from; they are compared, and told to nobody."""
    for name, value in os.environ.items():
        if SECRET_NAMES & set(name.upper().split("_")) and not value.startswith("/"):
            yield from _long_enough(value, name)
    for address in addresses():
        yield from _long_enough(address, NOTIFY)
    home = home_folder()
    yield from _long_enough(_start_of(hub_login()), "the hub's login")
    try:
        hosts = netrc.netrc(os.environ.get("NETRC") or home / ".netrc").hosts
    except (OSError, netrc.NetrcParseError, UnicodeDecodeError):
        hosts = {}
    for name, (_, _, password) in hosts.items():
        yield from _long_enough(password or "", f"{name} in .netrc")


def _long_enough(value: str, name: str) -> Iterator[tuple[str, str]]:
    value = value.strip()
    if len(value) >= SHORTEST and not re.search(r"\s", value):
        yield value, name


def _start_of(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(KNOWN_BYTES).decode("utf-8", "replace")
    except OSError:
        return ""
