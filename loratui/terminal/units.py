"""Sizes and durations as people read them: nothing else here words them."""

from __future__ import annotations

import time

from loratui.terminal.text import plural
from trainer.contract.units import UNITS, in_bytes, in_time, in_units

__all__ = ["GIB", "MIB", "ago", "bytes_of", "clock", "in_bytes", "in_gib", "in_time"]

MIB, GIB = 1 << 20, 1 << 30


def bytes_of(done: float, total: float) -> str:
    """So much of a whole, in the whole's unit, so that both can be compared: "2.1 of 6.9 GB", "0.4 of 9.1 MB"."""
    if not total:
        return in_bytes(done)
    unit, size = next((one for one in UNITS if total < 999.5 * one[1]), UNITS[-1])
    return f"{in_units(done, size)} of {in_bytes(total)}" if unit != "B" else f"{done:.0f} of {total:.0f} B"


def in_gib(count: float) -> str:
    """A size in units of two, where a GPU is named by them: a card that is sold as one of "24 GB" has 24 GiB."""
    return f"{count / GIB:.3g} GiB"


def clock(seconds: float | None) -> str:
    """A duration that runs or was measured, to the second, so that it can be watched: "5:46", "2:03:11", or "--:--"."""
    if seconds is None:
        return "--:--"
    minutes, rest = divmod(max(0, round(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def ago(then: float, now: float | None = None) -> str:
    """How long since `then` (unix seconds), in one unit because a list is skimmed: "5 min ago"; at last the date."""
    seconds = max(0.0, (time.time() if now is None else now) - then)
    if seconds < 60:
        return "just now"
    if seconds < 3600:
        return f"{seconds // 60:.0f} min ago"
    if seconds < 86400:
        return f"{seconds // 3600:.0f} h ago"
    days = int(seconds // 86400)
    if days < 15:
        return f"{plural(days, 'day')} ago"
    return time.strftime("%Y-%m-%d", time.localtime(then))
