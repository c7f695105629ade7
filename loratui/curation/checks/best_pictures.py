"""Keep the best n: which pictures of a set teach most, and why. "Less is more: pick your best pictures" (the post)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from loratui.curation.people.framing import PEOPLE
from loratui.curation.people.persons import OTHER, is_someone_else, person_meant
from loratui.curation.report import PictureReport, Report, spoilt

# what a finding costs; a picture without any has 10
COSTS = {
    "damaged": 8.0,
    "not-upright": 7.0,
    "blurred": 6.0,
    "noisy": 6.0,
    "coarse-jpeg": 6.0,
    "barred": 4.0,
    "collage": 6.0,
    "corners": 5.0,
    "posterised": 6.0,
    "oversaturated": 5.0,
    "pixelated": 6.0,
    "lettering": 3.0,
    "upscaled": 5.0,
    "several-faces": 5.0,
    "no-face": 5.0,
    "too-dark": 4.0,
    "too-bright": 4.0,
    "far-away": 3.5,
    "low-contrast": 3.0,
    "face-cut": 2.5,
    "low-resolution": 2.5,
    "thin": 2.0,
    "animated": 2.0,
    "unsure-face": 2.0,
    "not-looked-at": 1.0,
    "soft": 1.0,
    "bystander": 1.0,
    "palette": 0.5,
    "trigger-missing": 0.5,
}
WHOLE = 10.0
NOT_SHARP = (
    "soft",
    "upscaled",
    "noisy",
    "coarse-jpeg",
    "damaged",
    "pixelated",
)  # with these a small figure of blur says nothing
TWICE, SAME_LOOK, SAME_FRAMING = 8.0, 1.5, 1.5  # what it costs to resemble one that is kept already
# parts of a set of one person, after the post: close-ups for realism, full-body to generalise
SHARES = {"close-up": 0.45, "half": 0.35, "full": 0.2}


@dataclass(frozen=True)
class KeptPicture:
    """A picture that stays, and the reason in a few words."""

    name: str
    reason: str


def keep_best(report: Report, count: int, skip: Collection[str] = ()) -> tuple[KeptPicture, ...]:
    """The best `count` good pictures, the best first, and not the same thing twice.

    Fewer where fewer are good: what is spoiled, a copy of a better one, or told to be of somebody else by the face, is
    never among them. Where it is not clear who is meant, those who seem to be somebody else come behind all others.
    """
    meant = person_meant(report.pictures)
    left = good_ones(report, skip)
    chosen: list[PictureReport] = []
    reasons: list[str] = []
    while left and len(chosen) < count:
        worths = [(not is_someone_else(one, meant), _worth(one, chosen, count, report.kind)) for one in left]
        best = left.pop(worths.index(max(worths)))
        reasons.append(_reason(best, chosen, report.kind, meant))
        chosen.append(best)
    return tuple(KeptPicture(one.name, why) for one, why in zip(chosen, reasons, strict=True))


def good_ones(report: Report, skip: Collection[str] = ()) -> list[PictureReport]:
    """Those from which the best are taken; where there is none, keeping the best would keep nothing."""
    there = {one.name for one in report.pictures if one.name not in skip}
    return [one for one in report.pictures if one.name in there and not _against(one, there)]


def good_words(report: Report, skip: Collection[str] = ()) -> str:
    """How many pictures are good, and why the others are not: "4 of 9 are good; 3 are spoiled, 2 are copies"."""
    there = {one.name for one in report.pictures if one.name not in skip}
    why = Counter(_against(one, there) for one in report.pictures if one.name in there)
    good = why.pop("", 0)
    said = [f"{count} {'is' if count == 1 else 'are'} {words}" for words, count in why.most_common()]
    first = f"{good} of {len(there)} {'is' if good == 1 else 'are'} good"
    return f"{first}; {', '.join(said)}" if said else first


def left_out(report: Report, kept: Collection[str], skip: Collection[str] = ()) -> Iterator[tuple[str, str]]:
    """Each picture that is not among the kept ones, with the reason in a few words."""
    there = {one.name for one in report.pictures if one.name not in skip}
    for one in report.pictures:
        if one.name in there and one.name not in kept:
            why = _against(one, there)
            codes = ", ".join(sorted(spoilt(one))) if why == "spoiled" else ""
            yield one.name, f"{why} ({codes})" if codes else why or "good, and others teach more"


def _against(one: PictureReport, there: set[str]) -> str:
    """Why a picture is not good, in words behind "is"; of what was not judged nobody knows whether it is."""
    if not one.opens or not one.judged:
        return "not judged"
    if bad := spoilt(one):
        return "too small" if bad == {"low-resolution"} else "spoiled"
    if OTHER in _codes(one):
        return "of somebody else"
    return "" if there.isdisjoint(one.better) else "there in a better copy"


def _is_copy(one: PictureReport, chosen: Sequence[PictureReport]) -> bool:
    return any(other.name in one.duplicates or other.name in one.better or one.name in other.better for other in chosen)


def _worth(one: PictureReport, chosen: Sequence[PictureReport], count: int, kind: str) -> float:
    worth = WHOLE - sum(COSTS.get(code, 0.0) for code in {finding.code for finding in one.findings})
    worth -= one.blur or 0.0
    if _is_copy(one, chosen):
        worth -= TWICE
    worth -= SAME_LOOK * sum(one.look is not None and one.look == other.look for other in chosen)
    if kind in PEOPLE and one.framing in SHARES:
        there = sum(one.framing == other.framing for other in chosen)
        worth -= SAME_FRAMING * max(0.0, there + 1 - SHARES[one.framing] * count)
    return worth


def _reason(one: PictureReport, chosen: Sequence[PictureReport], kind: str, meant: int | None) -> str:
    words = []
    if kind in PEOPLE and one.framing and one.framing != "far":
        same = sum(one.framing == other.framing for other in chosen)
        words.append(f"{'a' if same else 'the first'} {_FRAMED[one.framing]}")
    if one.blurry is False and _codes(one).isdisjoint(NOT_SHARP):
        words.append("sharp")
    if "low-resolution" not in _codes(one):
        words.append("large enough")
    if one.look is None and one.judged:
        words.append("a look of its own")
    elif all(one.look != other.look for other in chosen):
        words.append("the best of its look")
    doubts = [_DOUBTS.get(code, code) for code in COSTS if code in _codes(one)]
    doubts += ["perhaps of somebody else"] if is_someone_else(one, meant) else []
    if doubts:
        words.append("though " + ", ".join(doubts))
    return ", ".join(words) or "nothing wrong with it"


def _codes(one: PictureReport) -> set[str]:
    return {finding.code for finding in one.findings}


_FRAMED = {"close-up": "close-up", "half": "half-length picture", "full": "full-body picture"}
_DOUBTS = {
    "not-upright": "not upright",
    "coarse-jpeg": "coarsely saved",
    "barred": "with bars around it",
    "collage": "pasted together",
    "corners": "with corners of one colour",
    "lettering": "with letters on it",
    "low-resolution": "small",
    "no-face": "no face was found",
    "several-faces": "with several faces",
    "far-away": "far away",
    "face-cut": "the square cuts the face",
    "upscaled": "enlarged or out of focus",
    "trigger-missing": "its caption lacks the trigger",
    "bystander": "with a bystander",
}
