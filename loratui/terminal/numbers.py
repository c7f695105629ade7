"""Numbers out of a log: what stands there may be damaged, or another version's, and is not trusted to be one."""

from __future__ import annotations

import math
from typing import Any


def number(value: Any) -> float | None:
    """A finite number as a float, or None."""
    if not isinstance(value, (float, int)) or isinstance(value, bool):
        return None
    try:
        return float(value) if math.isfinite(value) else None
    except OverflowError:  # an integer beyond all floats
        return None


def whole(value: Any) -> int:
    """A finite number as an integer, or 0: one bad line must not hide the others."""
    found = number(value)
    return 0 if found is None else int(value)
