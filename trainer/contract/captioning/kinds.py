"""A kind of what stands in a caption and is no word for the picture: its name, where it stands, what is left."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, eq=False)  # told apart by what they are: patterns are compared slowly
class ForeignSyntax:
    """A kind of syntax by its name, where it stands, and what is left without it; `mild` costs a caption little."""

    name: str
    pattern: re.Pattern[str]
    clean: Callable[[re.Match[str]], str]
    mild: bool = False
    filler: bool = False


def kind(name: str, pattern: str, clean: Callable[[re.Match[str]], str], **more: bool) -> ForeignSyntax:
    """One of them; `pattern` as `re` takes it, its flags inside."""
    return ForeignSyntax(name, re.compile(pattern), clean, **more)


def inner(found: re.Match[str]) -> str:
    """What the pattern calls `after`, without quotation marks around it."""
    return found["after"].strip().strip("\"'\u201c\u201d").strip()
