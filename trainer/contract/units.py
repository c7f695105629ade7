"""Sizes, durations and counts as people read them: one wording, of the trainer and of whatever shows a run."""

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


def in_time(seconds: float) -> str:
    """A duration that is estimated or compared, as coarse as it is known: "21 ms", "12 min", "3 h 20 min", "2 days"."""
    if seconds < 0.1:
        return f"{1000 * seconds:.0f} ms" if seconds >= 0.001 or not seconds else f"{1000 * seconds:.1f} ms"
    if seconds < 0.995:
        return f"{seconds:.2f} s"
    if seconds < 89.5:
        return f"{seconds:.0f} s" if seconds >= 9.95 else f"{seconds:.1f}".removesuffix(".0") + " s"
    minutes = round(seconds / 60)
    if minutes < 90:
        return f"{minutes} min"
    if minutes < 600:
        return f"{minutes // 60} h {minutes % 60:02d} min"
    hours = round(minutes / 60)
    return f"{hours} h" if hours < 48 else plural(round(hours / 24), "day")


def plural(count: object, one: str, many: str = "") -> str:
    """`count` with its noun: "1 picture", "4,000 pictures", "? steps". What is written already stays as it is."""
    shown = f"{count:,}" if isinstance(count, int) else "?" if count is None else str(count)
    return f"{shown} {one if shown == '1' else many or one + 's'}"
