"""Sizes as people read them: the one wording of bytes, of the trainer and of whatever shows a run."""

from __future__ import annotations

UNITS = (("B", 1.0), ("kB", 1e3), ("MB", 1e6), ("GB", 1e9))  # of ten, as disks and the hub count


def in_bytes(count: float | None) -> str:
    """A size: "5.1 GB", "13.4 GB", "93 MB", "170 MB"; a tenth is said below 100 of a unit. None is "? MB"."""
    if count is None:
        return "? MB"
    unit, size = next((one for one in UNITS if abs(count) < 999.5 * one[1]), UNITS[-1])
    return f"{in_units(count, size)} {unit}"


def in_units(count: float, size: float) -> str:
    """`count` bytes in units of `size` bytes, without the unit's name: "5.1", "24", "170"."""
    value = count / size
    shown = f"{value:.1f}" if abs(value) < 99.95 and size > 1 else f"{value:.0f}"
    return shown.removesuffix(".0")
