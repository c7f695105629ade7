"""Numbers out of a log: what stands there may be damaged, or another version's, and is not trusted to be one."""

from __future__ import annotations

import math
from typing import Any


def number(value: Any) -> float | None:
    """A finite number as a float, or None."""
    if type(value) is float:  # nearly all of a long log, and most of the time to read one went here
        return value if -math.inf < value < math.inf else None
    if value is None:
        return None
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


def scientific(value: float, digits: int = 1) -> str:
    """A number far from one, written alike everywhere: "2.9e-3", with no digits "1e-4"."""
    mantissa, _, power = f"{value:.{digits}e}".partition("e")
    return f"{mantissa}e{int(power)}"


def short(value: float, within: float, cells: int) -> str:
    """A number as exact as `within`, in at most `cells`: "492.51", "1.2e6"; empty where they have no room for it."""
    texts = [f"{value:.{digits}f}" for digits in range(cells)] + [scientific(value, digits) for digits in range(cells)]
    return next((one for one in texts if len(one) <= cells and abs(float(one) - value) <= within), "")
