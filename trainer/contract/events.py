"""The append-only log between trainer and screen: one writer, any number of readers, no daemon."""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

VERSION = 1
TYPES = frozenset(
    ["run", "phase", "step", "pivot", "sample", "checkpoint", "measure", "warn", "command", "error", "end"]
)  # what a reader of this version knows

Event = dict[str, Any]
Listener = Callable[[str, Event], None]  # type and fields


class EventLog:
    """Writes one JSON object a line, each with a single os.write on an O_APPEND descriptor."""

    def __init__(self, path: Path) -> None:
        """Open for appending; if a killed writer left half a line, close it with a newline first."""
        self._listeners: list[Listener] = []
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        size = os.fstat(self._descriptor).st_size
        if size and os.pread(self._descriptor, 1, size - 1) != b"\n":
            os.write(self._descriptor, b"\n")

    def emit(self, type: str, **fields: Any) -> None:
        """Append an event. A number that is not finite becomes null, and the event says `"nonfinite": true`."""
        event, finite = _finite({"t": round(time.time(), 3), "type": type, **fields})
        if not finite:
            event["nonfinite"] = True
        line = json.dumps(event, ensure_ascii=False, allow_nan=False, separators=(",", ":")) + "\n"
        os.write(self._descriptor, line.encode("utf-8", "surrogateescape"))
        for listener in self._listeners:
            listener(type, fields)

    def tell(self, listener: Listener) -> None:
        """From now on, hand each event to `listener` as well, once it is written; it must not raise."""
        self._listeners.append(listener)

    def close(self) -> None:
        """Close the descriptor."""
        os.close(self._descriptor)


class SilentLog:
    """The log of a process that may not write: rank 0 alone does."""

    def emit(self, type: str, **fields: Any) -> None:
        """Nothing."""

    def close(self) -> None:
        """Nothing."""


class Tail:
    """Reads what was appended since the last look; never the same event twice, never half a line."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0
        self._rest = b""

    def read(self, limit: int = 1 << 24) -> list[Event]:
        """New events in order, from at most `limit` new bytes. Bad lines and unknown types are passed over."""
        try:
            with self._path.open("rb") as file:
                file.seek(self._offset)
                data = file.read(limit)
        except FileNotFoundError:
            return []
        self._offset += len(data)
        *lines, self._rest = (self._rest + data).split(b"\n")
        return [event for event in map(_parse, lines) if event is not None]


def last_status(path: Path, window: int = 1 << 16) -> Event | None:
    """The last `run` or `end` event of a log, or None; reads the whole file only if its end has neither."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - window))
            found = _last(file.read().split(b"\n"))
            if found is None and size > window:
                file.seek(0)
                found = _last(file.read().split(b"\n"))
    except FileNotFoundError:
        return None
    return found


def without_undone(events: Iterable[Event]) -> list[Event]:
    """The events that still count: a `run` that resumed drops the steps, samples and checkpoints after its start."""
    kept: list[Event] = []
    for event in events:
        if event["type"] == "run" and event.get("resumed_from") is not None:
            start = event["resumed_from"]
            kept = [one for one in kept if one["type"] not in _STEPPED or one.get("step", 0) <= start]
        kept.append(event)
    return kept


_STEPPED = frozenset({"step", "pivot", "sample", "checkpoint"})


def _last(lines: list[bytes]) -> Event | None:
    for line in reversed(lines):
        event = _parse(line)
        if event is not None and event["type"] in ("run", "end"):
            return event
    return None


def _parse(line: bytes) -> Event | None:
    try:
        event = json.loads(line)
    except ValueError:
        return None
    return event if isinstance(event, dict) and event.get("type") in TYPES else None


def _finite(value: Any) -> tuple[Any, bool]:
    if isinstance(value, float):
        return (value, True) if math.isfinite(value) else (None, False)
    if isinstance(value, dict):
        pairs = {key: _finite(one) for key, one in value.items()}
        return {key: one for key, (one, _) in pairs.items()}, all(ok for _, ok in pairs.values())
    if isinstance(value, list | tuple):
        items = [_finite(one) for one in value]
        return [one for one, _ in items], all(ok for _, ok in items)
    return value, True
