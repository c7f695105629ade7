"""What was found, one row for each kind: how grave, how many pictures, in one sentence. Nothing else groups."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from loratui.curation.codes import CODES
from loratui.curation.report import SEVERITIES, Finding, Outcome, Severity
from loratui.settings.problems import meant, nearest
from loratui.terminal.glyphs import GLYPHS as TONES
from loratui.terminal.text import plural, safe_text

# one glyph for each, on every screen and in every list; the names are those of the JSON
GLYPHS: dict[Severity, str] = {"block": TONES["bad"], "warn": TONES["warn"], "hint": TONES["info"]}

# what is said of several at once, by code; {limit} and {range} come from the figures
MANY = {
    "empty-file": "are empty",
    "unreadable": "cannot be read",
    "truncated": "end before the picture does",
    "too-large": "are too large to be decoded",
    "stalling": "have very many passes, as JPEGs made to keep a reader busy",
    "picture-outside": "lead out of the folder, as links",
    "animated": "have several frames; the first is trained",
    "wrong-ending": "have the wrong ending: another format than their name says",
    "sixteen-bit": "have more than 8 bits a channel",
    "broken-profile": "have an unusable colour profile",
    "cmyk": "are in printing colours",
    "palette": "have at most 256 colours",
    "transparent": "have transparent parts",
    "not-looked-at": "were not checked for quality: they are too large",
    "low-resolution": "are smaller than {limit} px{range}",
    "thin": "are long and thin",
    "face-cut": "lose part of the face: it lies outside the square that is cut",
    "upscaled": "look enlarged: made from small pictures",
    "blurred": "are blurred",
    "damaged": "have damaged data",
    "noisy": "are covered by noise",
    "coarse-jpeg": "were saved too coarsely: blocks show or details are gone",
    "barred": "have bars or a frame around them",
    "corners": "have corners of one colour",
    "collage": "are pasted together from several",
    "posterised": "have shades in steps",
    "oversaturated": "have oversaturated colours",
    "pixelated": "are made of square blocks",
    "lettering": "have letters laid over them, or a sign",
    "soft": "are slightly soft",
    "too-dark": "are too dark",
    "too-bright": "are too bright",
    "low-contrast": "are of nearly one brightness",
    "not-upright": "show a face that is not upright",
    "no-face": "show no face",
    "several-faces": "show several faces",
    "unsure-face": "show what may be a face",
    "far-away": "show the subject far away",
    "other-person": "show another person than most, judging by the face",
    "bystander": "show a face, which may be learned with the rest",
    "duplicate": "are there twice",
    "near-duplicate": "show the same photo as another",
    "same-shot": "are nearly the same as another",
    "no-caption": "have no caption; the instance prompt is used",
    "caption-empty": "have an empty caption file",
    "caption-unreadable": "have a caption that cannot be read",
    "caption-outside": "have a caption outside the folder",
    "caption-not-utf8": "have a caption in another encoding",
    "caption-bom": "have a caption of another encoding, read correctly",
    "caption-control": "have hidden letters in the caption",
    "caption-long": "have a caption that is too long: more than the model reads{range}",
    "caption-several": "have several captions; the first is read",
    "trigger-missing": "have a caption without the trigger",
    "trigger-twice": "have the trigger more than once",
}
OF_SETS = {  # codes that are said of several pictures together, perhaps more than once
    "same-look": "share their colours: one backdrop, one set of clothes",
    "same-clothes": "show clothes of the same colours",
    "same-ground": "show a backdrop of the same colours",
    "same-name": "differ only in their ending and share a caption file",
}

_VERBS = {
    "are": "",
    "have": "",
    "show": "",
    "were": "",
    "end": "ends ",
    "lead": "leads ",
    "look": "looks ",
    "lose": "loses ",
}

_DONE_TO_IT, _IT = re.compile(r"\b(skip|accept|crop|turn|look at) it\b"), re.compile(r"\bit\b")


@dataclass(frozen=True)
class FindingGroup:
    """All findings of one kind, in the order of the pictures."""

    code: str
    severity: Severity  # of the gravest
    findings: tuple[Finding, ...]

    @property
    def files(self) -> tuple[str, ...]:
        """The pictures or other files that it is said of; empty where it is said of the whole set."""
        named = (file for one in self.findings for file in (one.file, *one.files))
        return tuple(dict.fromkeys(file for file in named if file))

    @property
    def count(self) -> str:
        """ "30 pictures", "1 picture", or "the set"."""
        if self.code in MANY:
            return plural(len(self.files), "picture")
        if len(self.findings) == 1:
            return "the set"
        return f"{len(self.findings)} {'groups of pictures' if self.code in OF_SETS else 'findings'}"

    @property
    def said(self) -> str:
        """What is said of them, after the count: "are smaller than 1024 px (240 to 687)"."""
        first = self.findings[0]
        if len(self.findings) == 1:
            return safe_text(first.message)
        if self.code in MANY:
            values = [one.value for one in self.findings]
            return MANY[self.code].format(limit=safe_text(first.limit), range=_range(values))
        if self.code in OF_SETS:
            return OF_SETS[self.code]
        same = {one.message for one in self.findings}
        return safe_text(
            first.message if len(same) == 1 else _lower(CODES[self.code].says) if self.code in CODES else ""
        )

    @property
    def words(self) -> str:
        """The row in one sentence: "30 pictures are smaller than 1024 px (240 to 687)", "a.jpg: it is empty"."""
        first = self.findings[0]
        if len(self.findings) == 1:
            return f"{safe_text(first.file)}: {self.said}" if first.file else self.said
        return f"{self.count}{'' if self.code in {*MANY, *OF_SETS} else ':'} {self.said}"

    @property
    def remedies(self) -> tuple[str, ...]:
        """What can be done, each sentence once, of several pictures in the plural."""
        found = dict.fromkeys(safe_text(one.remedy) for one in self.findings if one.remedy)
        return tuple(map(_of_many, found) if len(self.files) > 1 and self.code in MANY else found)

    @property
    def acceptable(self) -> bool:
        """Whether there is something that a person may accept, and has to."""
        return any(one.acceptable and one.severity != "hint" for one in self.findings)


def grouped(findings: Iterable[Finding]) -> tuple[FindingGroup, ...]:
    """One group a code, the gravest first, else in the order in which they were found."""
    kinds: dict[str, list[Finding]] = {}
    for one in findings:
        kinds.setdefault(one.code, []).append(one)
    groups = [
        FindingGroup(code, min((one.severity for one in found), key=SEVERITIES.index), tuple(found))
        for code, found in kinds.items()
    ]
    return tuple(sorted(groups, key=lambda one: SEVERITIES.index(one.severity)))


def left_parts(result: Outcome) -> tuple[tuple[Severity, str], ...]:
    """What is left to decide, counted by kind as the rows stand: what stops a run, what is to be accepted or solved."""
    kinds = grouped(result.to_decide)
    block = sum(one.severity == "block" for one in kinds)
    parts: list[tuple[Severity, str]] = [("block", f"{plural(block, 'finding')} in the way")] if block else []
    warn = len(kinds) - block
    return (*parts, ("warn", f"{plural(warn, 'warning')} to decide")) if warn else tuple(parts)


def left_words(result: Outcome) -> str:
    """ "1 finding in the way, 2 warnings to decide", or "nothing to decide"."""
    return ", ".join(words for _, words in left_parts(result)) or "nothing to decide"


def in_short(group: FindingGroup) -> str:
    """What was found, as short as it can be: "smaller than 1024 px", "no caption"."""
    first = group.findings[0]
    if group.code not in MANY:  # of the whole set: what such a finding says, whatever its figures
        says = CODES[group.code].says if group.code in CODES else safe_text(first.message)
        return _lower(re.split(r"[;:(]", says, maxsplit=1)[0].strip())
    said = re.split(r"[,;:]", MANY[group.code].format(limit=safe_text(first.limit), range=""), maxsplit=1)[0]
    verb, _, rest = said.partition(" ")
    return f"{_VERBS.get(verb, verb + ' ')}{rest}".replace(" them", " it")


def accept_keys(findings: Iterable[Finding]) -> tuple[str, ...]:
    """What stands in dataset.accept for these: the code alone where it is several, "code:file" for one."""
    wanted = [one for one in findings if one.acceptable and one.severity != "hint"]
    return tuple(one.code if len(one.findings) > 1 else one.findings[0].accept_key for one in grouped(wanted))


def unknown_codes(accepted: Iterable[str]) -> list[str]:
    """What of dataset.accept names no finding, as a sentence each with what was probably meant."""
    wrong = [one for one in accepted if one.partition(":")[0] not in CODES]
    return [
        f"dataset.accept: '{safe_text(one, 60)}' is not a finding"
        f"{meant(one.partition(':')[0], tuple(CODES)) or '; `loratui check` names them'}"
        for one in wrong
    ]


def right_codes(accepted: Iterable[str]) -> tuple[str, ...]:
    """The same of dataset.accept with what was meant in place of what names no finding; without what names nothing."""
    found = []
    for one in accepted:
        code, colon, file = one.partition(":")
        if right := code if code in CODES else nearest(code, tuple(CODES)):
            found.append(right + colon + file)
    return tuple(dict.fromkeys(found))


def _of_many(remedy: str) -> str:
    """A remedy that says "it" of one picture, of several; one that says more of it stays as it is."""
    if _IT.search(_DONE_TO_IT.sub("", remedy)):
        return remedy
    return _DONE_TO_IT.sub(r"\1 them", remedy).replace("one of the two", "one of each two")


def _range(values: list[Any]) -> str:
    numbers = [one for one in values if isinstance(one, int | float) and not isinstance(one, bool)]
    if not numbers:
        return ""
    low, high = min(numbers), max(numbers)
    return f" ({low:g})" if low == high else f" ({low:g} to {high:g})"


def _lower(says: str) -> str:
    return says[:1].lower() + says[1:].rstrip(".")
