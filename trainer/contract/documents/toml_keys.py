"""Finds the keys of a TOML text in one pass, with the line of each: tomllib does not tell, and takes long over some."""

from __future__ import annotations

import re
from dataclasses import dataclass

MOST_KEYS = 5_000  # a configuration has two hundred
MOST_PARTS = 16  # of one key: a.b.c has three
MOST_OPEN = 64  # brackets in each other
_TOKEN = re.compile(
    r"""
    (?P<text> \"""(?:[^\\]|\\.)*?(?:"{3,5}|\Z) | '''.*?(?:'{3,5}|\Z) | "(?:\\.|[^"\\\n])*"? | '[^'\n]*'? )
    | (?P<comment> \#[^\n]* )
    | (?P<mark> [=.,\[\]{}\n] )
    | (?P<word> [^\s"'\#=.,\[\]{}]+ )
    """,
    re.VERBOSE | re.DOTALL,
)

Key = tuple[str, ...]


class TooMuch(ValueError):
    """The text would take longer to read than any that is meant; the message goes on after the file's name."""


@dataclass(frozen=True)
class KeyPlace:
    """One key, whole from the outermost table on, and the line on which its statement begins."""

    key: Key
    line: int  # counted from 1
    is_table: bool = False  # it stands in a [header]


def key_places(text: str) -> list[KeyPlace]:
    """Every key of `text` in order, those in inline tables with the line of their statement. Raises TooMuch.

    Of a text that is no TOML some keys are found: each token is looked at once, whatever stands there.
    """
    scan = _Scan()
    for token in _TOKEN.finditer(text):
        scan.take(token.lastgroup or "", token[0])
    return scan.found


class _Scan:
    """What is known between two tokens."""

    def __init__(self) -> None:
        self.found: list[KeyPlace] = []
        self._line = self._start = 1  # of the token; of its statement
        self._table: Key = ()
        self._parts: list[str] = []  # of the key that is being read
        self._key: Key = ()  # of the value that is being read
        self._open: list[tuple[str, Key]] = []  # brackets in a value, with the key that they belong to
        self._in_value = self._in_header = False

    def take(self, kind: str, token: str) -> None:
        """The next token."""
        if kind == "mark":
            self._mark(token)
        elif kind in ("text", "word") and not self._in_value:
            self._part(token)
        self._line += token.count("\n")

    def _part(self, token: str) -> None:
        if not self._parts and not self._open:
            self._start = self._line
        self._parts.append(_name(token))
        if len(self._parts) > MOST_PARTS:
            raise TooMuch(f"it has a key of more than {MOST_PARTS} parts (line {self._line})")

    def _mark(self, token: str) -> None:
        match token:
            case "\n" if not self._open:
                if self._in_header:
                    self._table = tuple(self._parts)
                    self._keep(self._table, is_table=True)
                self._parts, self._in_value, self._in_header = [], False, False
            case "=" if not self._in_value:
                self._key = (*self._outer(), *self._parts)
                self._keep(self._key)
                self._parts, self._in_value = [], True
            case "[" if not self._in_value:
                self._in_header, self._start = True, self._line
            case "[" | "{" if self._in_value:
                self._open.append((token, self._key))
                self._in_value = token == "["
                if len(self._open) > MOST_OPEN:
                    raise TooMuch(f"it is nested deeper than {MOST_OPEN} levels (line {self._line})")
            case "]" | "}" if self._open:
                _, self._key = self._open.pop()
                self._in_value, self._parts = True, []
            case "," if self._open and self._open[-1][0] == "{":
                self._in_value, self._parts = False, []

    def _outer(self) -> Key:
        return self._open[-1][1] if self._open else self._table

    def _keep(self, key: Key, is_table: bool = False) -> None:
        if not key or (self._open and not self._parts):
            return
        self.found.append(KeyPlace(key, self._start, is_table))
        if len(self.found) > MOST_KEYS:
            raise TooMuch(f"it holds more than {MOST_KEYS:,} keys")


def _name(token: str) -> str:
    """A key's part without its quotes."""
    if token[:1] not in ("'", '"') or len(token) < 2:
        return token
    if "\\" not in token or token[0] == "'":
        return token[1:-1]
    import tomllib

    try:
        return str(next(iter(tomllib.loads(f"{token} = 0"))))
    except ValueError:
        return token[1:-1]
