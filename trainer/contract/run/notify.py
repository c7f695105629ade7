"""Where the end of a run is told: addresses for apprise. They hold tokens, and live in the environment alone."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence

NAME = "LORATUI_NOTIFY"  # addresses with spaces between
OPTION = "--notify"
EXTRA = "pip install 'loratui[notify]'"


def addresses(environment: Mapping[str, str] = os.environ) -> tuple[str, ...]:
    """The addresses that the environment names. What they hold may stand in no file, log, event or message."""
    return tuple(environment.get(NAME, "").split())


def kind_of(address: str) -> str:
    """What may be said of an address: how it begins, such as `ntfys`."""
    found = re.match(r"[a-z0-9+.-]{1,20}(?=://)", address)
    return found[0] if found else "an address without ://"


def taken_out(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """`arguments` without each `--notify URL`, and the addresses. What stands behind `--` is left alone."""
    rest: list[str] = []
    found: list[str] = []
    waiting = iter(arguments)
    for one in waiting:
        if one == "--":
            return [*rest, one, *waiting], found
        name, equals, value = one.partition("=")
        if name != OPTION:
            rest.append(one)
        elif (address := value if equals else next(waiting, "")).strip():
            found.append(address.strip())
        else:
            rest.append(one)
    return rest, found
