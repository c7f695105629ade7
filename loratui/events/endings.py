"""How a run ended, in one word: its `end` event says less than its commands, an abort is a stop to the trainer."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, get_args

from trainer.contract.run.events import Event

Ending = Literal["completed", "stopped", "aborted", "failed"]


def ending(status: object, aborted: bool) -> Ending:
    """The word for an `end` event's status; `aborted`: whether the trainer took an abort before it."""
    if status == "stopped" and aborted:
        return "aborted"
    return next((one for one in get_args(Ending) if one == status), "failed")


def taken(events: Iterable[Event]) -> tuple[bool, bool]:
    """Whether the trainer is paused after `events`, and whether it took an abort since its last start."""
    paused = aborted = False
    for event in events:
        match event.get("type"):
            case "run":
                paused = aborted = False
            case "command" if event.get("ok"):
                cmd = event.get("cmd")
                paused = cmd == "pause" if cmd in ("pause", "resume") else paused
                aborted = aborted or cmd == "abort"
    return paused, aborted
