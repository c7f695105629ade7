"""What a process that loratui started says of its work: one JSON object a line, with a `type`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from trainer.contract.documents.json_lines import parse_line


def child_events(lines: Iterable[bytes]) -> Iterator[dict[str, Any]]:
    """The events; what its libraries print between them is told as {"type": "noise", "message": ...}."""
    for raw in lines:
        text = raw.decode("utf-8", "replace").strip()
        event = parse_line(text.encode())
        if event is not None and "type" in event:
            yield event
        elif text:
            yield {"type": "noise", "message": text}
