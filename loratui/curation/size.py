"""Is a picture large enough for the training resolution."""

from __future__ import annotations

from loratui.curation.report import Finding


def size_findings(name: str, width: int, height: int, resolution: int) -> tuple[Finding, ...]:
    """The shorter side is what counts: it is brought to `resolution` pixels, and what is not there is invented."""
    short = min(width, height)
    if short >= resolution:
        return ()
    grave = short * 2 < resolution
    said = f"{width} x {height} px is {'less than half of' if grave else 'below'} the training resolution, {resolution}"
    remedy = "use a larger original, train at a lower resolution, skip it, or accept it"
    return (Finding("low-resolution", "block" if grave else "warn", name, short, said, remedy),)
