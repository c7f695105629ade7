"""What a process that loratui started says of its work: one JSON object a line, with a `type`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any


def child_events(lines: Iterable[bytes]) -> Iterator[dict[str, Any]]:
    """The events; what its libraries print between them is told as {"type": "noise", "message": ...}."""
    for raw in lines:
        text = raw.decode("utf-8", "replace").strip()
        try:
            event = json.loads(text)
        except ValueError:
            event = None
        if isinstance(event, dict) and "type" in event:
            yield event
        elif text:
            yield {"type": "noise", "message": text}
