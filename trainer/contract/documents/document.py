"""What came of reading something from outside: the value, or nothing and the reason."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")
U = TypeVar("U")


@dataclass(frozen=True)
class Document(Generic[T]):
    """A value, or None with a reason: words that go on after the file's name, such as "it is not valid JSON"."""

    value: T | None
    reason: str = ""
    absent: bool = False  # nothing stands there; other reasons are about something that does
    line: int = 0  # where it is no JSON or TOML, counted from 1; 0 where that is not known
    said: str = ""  # the parser's own words for it

    def refused(self) -> Document[U]:
        """The same reason for another kind of value."""
        return Document(None, self.reason, self.absent, self.line, self.said)


def unread(reason: str) -> Document[U]:
    """Nothing, and why."""
    return Document(None, reason)
