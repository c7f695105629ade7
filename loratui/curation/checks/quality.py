"""What the measured sharpness, detail and light of a picture mean, in words."""

from __future__ import annotations

from loratui.curation.checks.measure import PictureMeasure
from loratui.curation.report import Finding, Severity

BLURRED = 0.57  # of 204 photographs none that is sharp lies above (design/curation.md)
SOFT = 0.53
DARK, DEEP = 80, 30  # grey levels of the 95th percentile, and of the median: the darkest good photograph has 107
BRIGHT = 200  # of the 5th percentile: the brightest good one has 173
FLAT = 40  # between both: the flattest good one has 66
FACE_DARK, FACE_BRIGHT = 20, 243  # the median of the largest face


def quality_findings(name: str, measured: PictureMeasure, kind: str) -> tuple[Finding, ...]:
    """Blur, enlargement and light. What a style may want on purpose is a hint there."""
    meant = measured.drawn or kind in ("style", "character-style")
    style: Severity = "hint" if meant else "warn"
    return (*_sharpness(name, measured), *_light(name, measured, style))


def blurry(measured: PictureMeasure) -> bool | None:
    """Whether the face, or else the whole, is blurred; None where it was not measured."""
    return None if measured.worst_blur is None else measured.worst_blur > BLURRED


def _sharpness(name: str, one: PictureMeasure) -> list[Finding]:
    found = []
    if one.enlarged:
        said = "its finest details are missing: enlarged from a smaller picture, or out of focus"
        found.append(Finding("upscaled", "warn", name, None, said, "use the original, or skip it"))
    if one.worst_blur is not None and one.worst_blur > SOFT:
        what = "the face is" if one.face_blur == one.worst_blur else "the picture is"
        value = round(one.worst_blur, 3)
        if one.worst_blur > BLURRED:
            said = f"{what} blurred ({value:.2f}; up to {SOFT} is sharp)"
            found.append(Finding("blurred", "warn", name, value, said, "use a sharper one, or skip it"))
        else:
            said = f"{what} slightly soft ({value:.2f}; up to {SOFT} is sharp)"
            found.append(Finding("soft", "hint", name, value, said, "prefer a sharper one, if there is one"))
    return found


def _light(name: str, one: PictureMeasure, severity: Severity) -> list[Finding]:
    if one.light is None:
        return []
    low, middle, high = one.light
    face = one.face_light
    remedy = "correct the light in a copy, or skip it"
    if (high < DARK and middle < DEEP) or (face is not None and face < FACE_DARK):
        said = "hardly any light" if high < DARK else "the face is nearly black"
        return [Finding("too-dark", severity, name, high, said, remedy)]
    if low > BRIGHT or (face is not None and face > FACE_BRIGHT):
        said = "hardly anything but white" if low > BRIGHT else "the face is nearly white"
        return [Finding("too-bright", severity, name, low, said, remedy)]
    if high - low < FLAT:
        said = f"all of nearly one brightness ({low} to {high} of 255)"
        return [Finding("low-contrast", severity, name, high - low, said, remedy)]
    return []
