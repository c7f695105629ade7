"""What is wrong with a caption that no program can put right: each fault declared once, told once for the set."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from loratui.curation.captions.languages import other_language
from loratui.curation.report import Finding, PictureReport, Severity
from loratui.terminal.text import plural, safe_text
from trainer.contract.captioning.wrappings import MARKS
from trainer.contract.settings.triggers import split_triggers, word_pattern

TRIGGERS = ("sks", "ohwx", "zwx", "zkz", "TOK", "TOK1", "TOK2")  # what tutorials use in the place of a name
# what papers and scripts write for a word of their own: S*, V*, [V], <token>, <s0>
PLACEHOLDER = re.compile(r"(?<!\w)[SV]\*(?!\w)|\[V\]|<[A-Za-z][\w-]{1,30}>")
LATE, LATE_TAGS = 20, 8  # words or tags before the trigger
SHOWN = 4  # pictures that are named
_MARKS = (
    "watermark", "watermarked", "artist name", "web address", "username", "copyright", "text overlay", "text on image",
    "text in the corner", "date stamp", "timestamp", "getty images", "shutterstock", "istock", "alamy", "adobe stock",
    "dreamstime", "depositphotos", "123rf", "freepik", "jpeg artifact", "jpeg compression", "compression artifact",
    "lowres", "low quality", "worst quality", "bad anatomy", "out of frame",
)  # fmt: skip
# what describes another thing with a noun behind it or an owner before it: a blurry background, her signature hat
_ALONE = "blurry|blurred|pixelated|grainy|noisy|ugly|deformed|cropped|logo|(?<!her )(?<!his )signature"
_FLAW = re.compile(
    rf"(?<!\w)(?:(?:{'|'.join(_MARKS)})s?(?!\w)"
    rf"|(?:(?<=, )|(?<![^,])|(?<=\bis ))(?:an? )?(?:{_ALONE})(?=\s*(?:[,.;]|\Z))"
    r"|(?:blurry|blurred|pixelated|grainy) (?:image|photo(?:graph)?|picture|shot)(?!\w)"
    r"|signature (?:in|at) the(?!\w)|(?:bad|deformed|malformed|mutated|disfigured|poorly drawn|fused|extra)"
    r" (?:hands?|fingers?|limbs?|face|anatomy|proportions)(?!\w))"
)
_DENIED = re.compile(r"(?<!\w)(?:no|without|not)(?: an?| any)? \Z")
MARKUP = re.compile(r"(?i)</?(?:p|br|b|i|u|em|strong|div|span|ul|li|think)>")
# what says no more of a picture than that it is one, and of whom
_SAYS = (
    "a an the of in on my this that it is here and nice good great beautiful photo photograph picture image portrait"
)
_PLAIN = frozenset(f"{_SAYS} style person human man woman boy girl male female guy lady 1boy 1girl solo".split())


@dataclass(frozen=True)
class CaptionFault:
    """A fault: what it finds in a caption ("" nothing), and what is said of those that have it."""

    code: str
    severity: Severity
    find: Callable[[str, tuple[str, ...], str], str]  # caption, triggers, class word
    says: str
    remedy: str


def other_trigger(caption: str, triggers: tuple[str, ...], _: str = "") -> str:
    """The trigger of another training that stands in a caption; empty if none does."""
    own = {one.casefold() for one in triggers}
    others = [one for one in TRIGGERS if one.casefold() not in own] if triggers else []
    # CLIP reads SKS as sks; Tok is a name
    found = (re.search(word_pattern(one), caption, re.IGNORECASE if one.islower() else 0) for one in others)
    named = next((one[0] for one in found if one), "")
    held = [one[0] for one in PLACEHOLDER.finditer(caption) if triggers and one[0].casefold() not in own]
    # other findings tell of those
    return named or next((one for one in held if not re.fullmatch(MARKUP, one) and not re.fullmatch(MARKS, one)), "")


def _bare(caption: str, triggers: tuple[str, ...], class_word: str) -> str:
    words = set(_words(caption)) - _PLAIN - set(_words(" ".join((*triggers, class_word))))
    return caption.strip() if triggers and not words and _first(caption, triggers) is not None else ""


def _late(caption: str, triggers: tuple[str, ...], _: str) -> str:
    place = _first(caption, triggers)
    before = caption[: place or 0]
    return before if len(_words(before)) >= LATE or before.count(",") >= LATE_TAGS else ""


def _marks(caption: str, _: tuple[str, ...], class_word: str) -> str:
    plain = caption.lower().replace("_", " ")
    flaws = [one for one in _FLAW.finditer(plain) if not _DENIED.search(plain, 0, one.start())]
    return next((one[0] for one in flaws if not set(one[0].split()) & set(class_word.lower().split())), "")


def _language(caption: str, triggers: tuple[str, ...], class_word: str) -> str:
    return other_language(caption, frozenset(_words(" ".join((*triggers, class_word)))))


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())


def _first(caption: str, triggers: tuple[str, ...]) -> int | None:
    places = [found.start() for one in triggers if (found := re.search(word_pattern(one), caption))]
    return min(places, default=None)


FAULTS = (
    CaptionFault(
        "other-trigger",
        "warn",
        other_trigger,
        "with the trigger of another training",
        "write your own trigger in its place, in all of them",
    ),
    CaptionFault(
        "caption-bare",
        "hint",
        _bare,
        "with nothing but the trigger",
        "describe what changes between the pictures; what is described can be changed later",
    ),
    CaptionFault(
        "trigger-late",
        "hint",
        _late,
        f"with the trigger behind {LATE} words or more",
        "put it first: what comes first counts most, and is never cut off",
    ),
    CaptionFault(
        "caption-marks",
        "hint",
        _marks,
        "that tell of a flaw in the picture",
        "look at those pictures: what can be seen is learned; take it out of picture and caption",
    ),
    CaptionFault(
        "caption-language",
        "hint",
        _language,
        "apparently not in English",
        "write them in English: SDXL's text encoders learned from that",
    ),
)


def fault_findings(pictures: Sequence[PictureReport], trigger: str, class_word: str) -> tuple[Finding, ...]:
    """One finding for each fault that some caption has: how many, which pictures, an example."""
    triggers = split_triggers(trigger)
    captioned = [(one.name, one.caption) for one in pictures if one.caption]
    found = []
    for fault in FAULTS:
        there = {name: example for name, words in captioned if (example := fault.find(words, triggers, class_word))}
        if there:
            names = [safe_text(name, 30) for name in list(there)[:SHOWN]]
            shown = ", ".join(names) + (" ..." if len(there) > SHOWN else "")
            example = safe_text(next(iter(there.values())), 40)
            said = f"{plural(len(there), 'caption')} {fault.says} ('{example}'): {shown}"
            found.append(Finding(fault.code, fault.severity, "", list(there), said, fault.remedy, files=tuple(there)))
    return tuple(found)
