"""Parses logs of one JSON object a line: a line that is none, or would break those who use it, is passed over."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from trainer.contract.documents.parsers import MAX_DEPTH, as_text, has_long_number, parse_json

TOGETHER = 256  # lines that are decoded in one call
MAX_LINE = 1 << 22  # bytes; the longest that is written names every picture of a large set


def parse_lines(lines: list[bytes]) -> Iterator[dict[str, Any] | None]:
    """The object of each line, None for a line that holds none.

    Many lines go through the decoder in one call: half the time of a call a line (it keeps the names it has seen).
    """
    for place in range(0, len(lines), TOGETHER):
        some = lines[place : place + TOGETHER]
        found = _together(some)
        if len(found) == len(some):
            yield from (one if isinstance(one, dict) else None for one in found)
        else:
            yield from map(parse_line, some)


def parse_line(line: bytes) -> dict[str, Any] | None:
    """The object of one line; None where there is none."""
    return parse_json(line, dict).value if len(line) <= MAX_LINE else None


def _together(lines: list[bytes]) -> list[Any]:
    """What all the lines hold; nothing where one of them has to be looked at by itself."""
    if max(map(_brackets, lines)) >= MAX_DEPTH or sum(map(len, lines)) > MAX_LINE:
        return []
    try:
        text = as_text(b"[" + b",".join(lines) + b"]")
        found = json.loads(text)
    except Exception:  # at least one is damaged: RecursionError, ValueError ...
        return []
    return [] if has_long_number(text) else found


def _brackets(line: bytes) -> int:
    return line.count(b"[") + line.count(b"{")
