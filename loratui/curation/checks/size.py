"""Is a picture large enough for the training resolution, and does the square that is cut from it keep what matters."""

from __future__ import annotations

from loratui.curation.report import Box, Finding, Severity

THIN = 3.0  # long side over short side: the square then keeps a third
FACE_KEPT = 0.85  # of the face's area that the square must keep


def size_findings(name: str, width: int, height: int, resolution: int) -> tuple[Finding, ...]:
    """The shorter side is what counts: it is brought to `resolution` pixels, and what is not there is invented."""
    short, long = sorted((width, height))
    found = []
    if short < resolution:
        below = "less than half of" if short * 2 < resolution else "below"
        said = f"{width} x {height} px is {below} the training resolution, {resolution}"
        remedy = "use a larger original, train at a lower resolution, skip it, or accept it"
        found.append(Finding("low-resolution", "warn", name, short, said, remedy, limit=resolution))
    if long > THIN * short:
        said = f"{width} x {height} px: the square that is cut from it keeps {short / long:.0%} of the picture"
        found.append(Finding("thin", "warn", name, round(long / short, 2), said, "crop it to what matters, or skip it"))
    return tuple(found)


def face_cut(name: str, width: int, height: int, face: Box, crop: str) -> tuple[Finding, ...]:
    """Whether the square from the middle (crop center) keeps the face; at random (crop random) it may miss it."""
    kept = kept_by_the_square(width, height, face)
    if kept >= FACE_KEPT:
        return ()
    said = f"the square cut from the middle keeps {kept:.0%} of the face"
    severity: Severity = "warn" if crop == "center" else "hint"
    return (Finding("face-cut", severity, name, round(kept, 2), said, "crop the picture around the face first"),)


def kept_by_the_square(width: int, height: int, box: Box) -> float:
    """The part of a box that lies in the square from the middle of the picture."""
    short = min(width, height)
    left, top = (1 - short / width) / 2, (1 - short / height) / 2
    x, y, w, h = box
    across = max(0.0, min(x + w, 1 - left) - max(x, left))
    down = max(0.0, min(y + h, 1 - top) - max(y, top))
    return across * down / (w * h)
