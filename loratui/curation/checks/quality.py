"""What the measured sharpness, detail and light of a picture mean, in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from loratui.curation.checks.damage import SPECKLED
from loratui.curation.checks.measure import COARSE_WEBP, PictureMeasure
from loratui.curation.checks.overdone import BANDED, CLIPPED, VIVID
from loratui.curation.overlays.lettering import ENOUGH
from loratui.curation.report import Finding, PictureReport, Severity
from loratui.terminal.text import plural

MEANT = ("style", "character-style")  # kinds of which grain, blocks and frames may be a part
FRAMED = 0.04  # share of the picture that bars may have: the edge of a scanned print
BLURRED = 0.57  # of 204 photographs none that is sharp lies above (design/curation.md)
SOFT = 0.53
DARK, DEEP = 80, 30  # grey levels of the 95th percentile, and of the median: the darkest good photograph has 107
BRIGHT = 200  # of the 5th percentile: the brightest good one has 173
FLAT = 40  # between both: the flattest good one has 66
FACE_DARK, FACE_BRIGHT = 20, 243  # the median of the largest face


def quality_findings(name: str, measured: PictureMeasure, kind: str) -> tuple[Finding, ...]:
    """Blur, enlargement and light. What a style may want on purpose is a hint there."""
    meant = measured.drawn or kind in MEANT
    style: Severity = "hint" if meant else "warn"
    return (
        *_sharpness(name, measured),
        *_light(name, measured, style),
        *_damage(name, measured, "hint" if kind in MEANT else "warn"),
        *_overdone(name, measured, style),
    )


def mostly_photographs(measured: Sequence[PictureMeasure]) -> bool:
    """Whether a picture that looks drawn is an exception in the set: spoiled ones look so too."""
    judged = [one for one in measured if one.look]
    return 2 * sum(one.drawn or one.few_colours for one in judged) <= len(judged)


def with_flattened(
    reports: Sequence[PictureReport], measured: Sequence[PictureMeasure], kind: str
) -> list[PictureReport]:
    """With a finding for pictures of few colours among photographs: they look drawn, so nothing else was asked of them.

    Where most are such, they are what is taught.
    """
    if not mostly_photographs(measured):
        return list(reports)
    return [_flattened(*one, kind) for one in zip(reports, measured, strict=True)]


def _flattened(report: PictureReport, one: PictureMeasure, kind: str) -> PictureReport:
    flat = one.few_colours or (one.drawn and one.bands > BANDED)
    if not flat or any(each.code == "posterised" for each in report.findings):
        return report
    severity: Severity = "hint" if kind in MEANT else "warn"
    said = "it has few colours, among photographs: posterised, or no photograph"
    finding = Finding("posterised", severity, report.name, None, said, "use the original, or skip it")
    return replace(report, findings=(*report.findings, finding))


def blurry(measured: PictureMeasure) -> bool | None:
    """Whether the face, or else the whole, is blurred; None where it was not measured."""
    return None if measured.subject_blur is None else measured.subject_blur > BLURRED


def _damage(name: str, one: PictureMeasure, severity: Severity) -> list[Finding]:
    found = []
    if one.damage:
        said = "its data is damaged: parts of it may be shifted or have other colours"
        found.append(Finding("damaged", "warn", name, one.damage, said, "look at it; take another copy, or skip it"))
    if one.noisy:
        value = round(one.noise or 0.0, 1)
        said = f"noise covers its details ({value:.0f} grey levels; up to 6 is usual)"
        if one.specks > SPECKLED:
            value, said = round(one.specks, 3), f"specks of noise cover it ({one.specks:.1%} of it; 0.3% is usual)"
        found.append(Finding("noisy", severity, name, value, said, "use a cleaner copy, or skip it"))
    if one.coarse:
        smeared = one.webp is not None and one.webp > COARSE_WEBP
        said = f"saved so coarsely that {'its details are smeared' if smeared else 'blocks show'}"
        value = round((one.webp if smeared else one.quantiser or one.blocks) or 0.0, 1)
        found.append(Finding("coarse-jpeg", severity, name, value, said, "use the original, or skip it"))
    if one.bars > FRAMED:
        said = f"bars or a frame of one colour take {one.bars:.0%} of it, as in a letterbox or a screenshot"
        found.append(Finding("barred", severity, name, round(one.bars, 3), said, "crop them away, or skip it"))
    if one.corners:
        said = f"corners of one colour take {one.corners:.0%} of it, as when it was turned by a few degrees"
        found.append(Finding("corners", severity, name, round(one.corners, 3), said, "crop them away, or skip it"))
    if one.pieces and not one.coarse:  # the edges of its blocks are straight too
        x, y, w, h = one.pieces[0]
        at = x + w if w < 1 else y + h
        rot = " or, as its data may be damaged, shifted from there on" if one.on_blocks else ""
        said = f"a straight edge goes right across it at {at:.0%}: a collage, or pasted together{rot}"
        found.append(Finding("collage", severity, name, round(at, 3), said, "crop one picture out, or skip it"))
    elif one.repeated:
        said = f"{one.repeated:.0%} of a side stands in it twice: mirrored or repeated to make it larger"
        found.append(Finding("collage", severity, name, round(one.repeated, 3), said, "use the original, or crop it"))
    if one.letters >= ENOUGH:
        letters = plural(one.letters, "letter")
        said = f"{letters} in one line and colour: a caption, a date, a watermark or a sign is learned too"
        remedy = "where they are laid on, crop them away, or skip it"
        found.append(Finding("lettering", "hint", name, one.letters, said, remedy))
    return found


def _overdone(name: str, one: PictureMeasure, severity: Severity) -> list[Finding]:
    found = []
    if one.bands > BANDED and not one.drawn:
        said = "its shades come in steps, as when levels were removed (posterised)"
        found.append(Finding("posterised", severity, name, round(one.bands, 2), said, "use the original, or skip it"))
    vivid = one.face_chroma is not None and one.face_chroma > VIVID
    if (one.clipped > CLIPPED or vivid) and not one.drawn:
        value = round(one.face_chroma or 0.0, 1) if vivid else round(one.clipped, 3)
        what = (
            "the face's colours are stronger than skin has"
            if vivid
            else f"{one.clipped:.0%} of its colours are clipped"
        )
        said = f"{what}: oversaturated, or in coloured light"
        found.append(Finding("oversaturated", severity, name, value, said, "use the original, or skip it"))
    if one.pixelated:
        said = "it is made of square blocks: pixelated, or a small picture enlarged"
        found.append(Finding("pixelated", severity, name, None, said, "use the original, or skip it"))
    return found


def _sharpness(name: str, one: PictureMeasure) -> list[Finding]:
    found = []
    if one.enlarged and not one.pixelated:
        said = "its finest details are missing: enlarged from a smaller picture, or out of focus"
        found.append(Finding("upscaled", "warn", name, None, said, "use the original, or skip it"))
    if one.subject_blur is not None and one.subject_blur > SOFT:
        what = "the face is" if one.face_blur == one.subject_blur else "the picture is"
        value = round(one.subject_blur, 3)
        if one.subject_blur > BLURRED:
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
