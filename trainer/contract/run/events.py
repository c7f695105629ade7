"""The append-only log between trainer and screen: one writer, any number of readers, no daemon."""

from __future__ import annotations

import json
import math
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from trainer.contract.documents.json_lines import MAX_LINE, parse_line, parse_lines
from trainer.contract.documents.regular import open_regular
from trainer.contract.entries import open_file
from trainer.contract.run.disk import FULL, keep_room
from trainer.contract.units import plural

VERSION = 1
TYPES = frozenset(
    ["run", "phase", "step", "pivot", "sample", "checkpoint", "measure", "early", "warn", "command", "error", "end"]
)  # what a reader of this version knows
# kinds of the `cause` of an `error` of kind nan: what was not finite first when the step was computed again. "gone":
# nothing was then; "unseen": it could not be computed again
CAUSES = ("weights", "latents", "vae", "words", "base", "layer", "loss", "gradient", "gone", "unseen")
WIDE = 1 << 20  # bytes at a time of a log that is read back
# what a reader meets in an event whose fields are of another version, or of a damaged line
MALFORMED = (TypeError, ValueError, KeyError, IndexError, AttributeError, ArithmeticError)
ROOM = 1 << 16  # bytes behind the end of the log that are kept for its last words
PAGE = 1 << 12  # bytes after which more is asked for
MOST_WAITING = 5000  # events that wait for room; a run that has none pauses, so that few of them come

Event = dict[str, Any]
Listener = Callable[[str, Event], None]  # type and fields


class EventLog:
    """Writes one JSON object a line, each with a single os.write on an O_APPEND descriptor.

    On a disk that takes no more the lines wait in memory, and are written in their order when there is room. Behind
    the end of the file some room is kept, where the file system can do that, so that the last words of a run are there.
    """

    def __init__(self, path: Path) -> None:
        """Open for appending; if a killed writer left half a line, close it with a newline first. Raises OSError."""
        self._listeners: list[Listener] = []
        self._turn = threading.RLock()  # the thread that writes checkpoints tells of them
        self._waiting: deque[bytes] = deque()
        self._lost = 0  # events that there was no memory for
        self._descriptor = open_file(path, os.O_RDWR | os.O_CREAT | os.O_APPEND)
        self._size = os.fstat(self._descriptor).st_size
        self._kept = 0  # up to where room is kept
        self._full = False
        self._keep_room()
        if self._size and os.pread(self._descriptor, 1, self._size - 1) != b"\n":
            self._waiting.append(b"\n")
            self.has_room()

    def emit(self, type: str, **fields: Any) -> None:
        """Append an event. A number that is not finite becomes null, and the event says `"nonfinite": true`."""
        event, finite = _finite({"t": round(time.time(), 3), "type": type, **fields})
        if not finite:
            event["nonfinite"] = True
        line = json.dumps(event, ensure_ascii=False, allow_nan=False, separators=(",", ":")) + "\n"
        with self._turn:
            # what is no letter (bytes of a file name) stays as JSON's own escape: the line is UTF-8 for every reader
            self._waiting.append(line.encode("utf-8", "backslashreplace"))
            while len(self._waiting) > MOST_WAITING:
                self._waiting.popleft()
                self._lost += 1
            self.has_room()
        for listener in self._listeners:
            listener(type, fields)

    def has_room(self) -> bool:
        """Write what waits; whether all of it is in the file, with room behind it for more. Raises OSError.

        Raises nothing where the disk is full, over quota or failing: that may pass.
        """
        with self._turn:
            while self._waiting and self._write(self._waiting[0]):
                self._waiting.popleft()
            if self._waiting:
                return False
            if lost := self._lost:
                self._lost = 0
                words = f"{plural(lost, 'event')} could not be kept while the disk was full"
                self.emit("warn", code="events-lost", message=words, advice="nothing needs to be done")
            self._keep_room()
            return not self._full

    def _write(self, line: bytes) -> bool:
        """A whole line, or nothing of it."""
        try:
            written = os.write(self._descriptor, line)
        except OSError as error:
            if error.errno not in FULL:
                raise
            return False
        if written < len(line):
            os.ftruncate(self._descriptor, self._size)
            return False
        self._size += written
        return True

    def _keep_room(self) -> None:
        if self._kept - self._size > ROOM - PAGE and not self._full:
            return
        try:
            keep_room(self._descriptor, self._size, ROOM)
        except OSError as error:
            self._full = error.errno in FULL
        else:
            self._kept, self._full = self._size + ROOM, False

    def tell(self, listener: Listener) -> None:
        """From now on, hand each event to `listener` as well, once it is written; it must not raise."""
        self._listeners.append(listener)

    def close(self) -> None:
        """Write what can be written, and close the descriptor."""
        with self._turn, suppress(OSError):
            self.has_room()
            os.ftruncate(self._descriptor, self._size)  # the room behind it goes back
        os.close(self._descriptor)


class SilentLog:
    """The log of a process that may not write: rank 0 alone does."""

    def emit(self, type: str, **fields: Any) -> None:
        """Nothing."""

    def has_room(self) -> bool:
        """Nothing waits."""
        return True

    def close(self) -> None:
        """Nothing."""


class Tail:
    """Reads what was appended since the last look; never the same event twice, never half a line."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0
        self._rest = b""
        self._in_long = False  # the start of a line that is too long was let go

    def refuse_unreadable(self) -> None:
        """Raises OSError where something stands in the log's place that cannot be read; it counts as empty else."""
        with suppress(FileNotFoundError):
            os.close(open_regular(self._path, self._path.parent))

    @property
    def read_part(self) -> float:
        """How much of the log was read, from 0 to 1; an empty or absent one counts as read."""
        try:
            size = self._path.stat().st_size
        except OSError:
            return 1.0
        return min(1.0, self._offset / size) if size else 1.0

    def read(self, limit: int = 1 << 24) -> list[Event]:
        """New events in order, from about `limit` new bytes; empty when there is nothing new.

        Bad lines and unknown types are passed over, however many they are.
        """
        while True:
            before = self._offset
            found = self._events(self.lines(limit))
            if found or self._offset == before:
                return found

    def _events(self, lines: list[bytes]) -> list[Event]:
        return parse_all(lines)

    def lines(self, limit: int = 1 << 24) -> list[bytes]:
        """The new whole lines as they are, from at most `limit` new bytes; one without an end is not waited for."""
        try:
            with os.fdopen(open_regular(self._path, self._path.parent), "rb") as file:
                file.seek(self._offset)
                data = file.read(limit)
        except (OSError, ValueError):
            return []
        self._offset += len(data)
        *lines, self._rest = (self._rest + data).split(b"\n")
        if lines and self._in_long:
            del lines[0]
            self._in_long = False
        if len(self._rest) > MAX_LINE:  # none that is wanted: kept, it would be copied at each look
            self._rest, self._in_long = b"", True
        return lines

    @property
    def offset(self) -> int:
        """Bytes read so far."""
        return self._offset


def last_status(path: Path, window: int = 1 << 16) -> Event | None:
    """The last `run` or `end` event of a log, or None; reads back from its end, as far as it has to."""
    try:
        with os.fdopen(open_regular(path, path.parent), "rb") as file:
            end, rest = file.seek(0, os.SEEK_END), b""
            while end > 0:
                start = max(0, end - window)
                file.seek(start)
                cut, *lines = (file.read(end - start) + rest).split(b"\n")
                if (found := _last(lines if start else [cut, *lines])) is not None:
                    return found
                end, rest = start, cut if len(cut) <= MAX_LINE else b""
                window = WIDE
    except (OSError, ValueError):
        pass
    return None


def without_undone(events: Iterable[Event]) -> list[Event]:
    """The events that still count: a `run` drops the earlier steps, samples and checkpoints beyond its start."""
    kept: list[Event] = []
    for event in events:
        if event["type"] == "run":
            start = event.get("resumed_from") or 0  # 0: one that began again, without a checkpoint
            kept = [one for one in kept if one["type"] not in _STEPPED or one.get("step", 0) <= start]
        kept.append(event)
    return kept


_STEPPED = frozenset({"step", "pivot", "sample", "checkpoint"})


def _last(lines: list[bytes]) -> Event | None:
    for line in reversed(lines):
        if b'"run"' in line or b'"end"' in line:
            event = _known(parse_line(line))
            if event is not None and event["type"] in ("run", "end"):
                return event
    return None


def parse_all(lines: list[bytes]) -> list[Event]:
    """The events of `lines`; what holds none that this version knows is passed over."""
    return [event for event in map(_known, parse_lines(lines)) if event is not None]


def _known(event: Event | None) -> Event | None:
    kind = event.get("type") if event is not None else None
    return event if isinstance(kind, str) and kind in TYPES else None


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
