"""Finds the line on which each key of a TOML file stands: tomllib does not tell."""

from __future__ import annotations

import re
import tomllib
from typing import Any

_TABLE = re.compile(r"\s*\[([^\[\]]+)\]\s*(?:#.*)?$")
_ENTRY = re.compile(r"""\s*((?:[\w-]+|"[^"\n]*"|'[^'\n]*')(?:\s*\.\s*(?:[\w-]+|"[^"\n]*"|'[^'\n]*'))*)\s*=""")


def key_lines(text: str) -> dict[str, int]:
    """Dotted key (and table name) -> line, counted from 1, for a `text` that is valid TOML."""
    found: dict[str, int] = {}
    lines = text.split("\n")
    table = ""
    number = 0
    while number < len(lines):
        line = lines[number]
        if header := _TABLE.match(line):
            table = _dotted(f"{header[1]} = 0")
            found.setdefault(table, number + 1)
        elif entry := _ENTRY.match(line):
            key = _dotted(f"{entry[1]} = 0")
            key = f"{table}.{key}" if table else key
            found.setdefault(key, number + 1)
            found.setdefault(key.rpartition(".")[0] or key, number + 1)
            end = _end_of_value(lines, number)
            for inner in _inner(lines[number : end + 1]):
                found.setdefault(f"{key}.{inner}", number + 1)
            number = end
        number += 1
    return found


def _end_of_value(lines: list[str], start: int) -> int:
    """The last line of the value that starts on line `start`: where the text so far is valid by itself."""
    for end in range(start, len(lines)):
        if end > start and not re.search(r"[\]}\"']\s*(?:#.*)?$", lines[end]):
            continue
        try:
            tomllib.loads("\n".join(lines[start : end + 1]))
        except tomllib.TOMLDecodeError:
            continue
        return end
    return start


def _inner(lines: list[str]) -> list[str]:
    """The keys of an inline table: `train = { rank = 8 }` holds rank."""
    value: Any = tomllib.loads("\n".join(lines))
    while isinstance(value, dict) and len(value) == 1:
        (value,) = value.values()
        if isinstance(value, dict) and len(value) != 1:
            break
        if isinstance(value, dict):
            return list(value)
    return list(value) if isinstance(value, dict) else []


def _dotted(statement: str) -> str:
    """The key of `a . "b" = 0` as a.b."""
    value: Any = tomllib.loads(statement)
    parts = []
    while isinstance(value, dict):
        ((key, value),) = value.items()
        parts.append(key)
    return ".".join(parts)
