"""What is wrong with a caption that no program can put right: each fault declared once, told once for the set."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from loratui.curation.report import Finding, PictureReport, Severity
from loratui.terminal.text import plural, safe_text
from trainer.contract.settings.triggers import split_triggers, word_pattern

TRIGGERS = ("sks", "ohwx", "zwx", "zkz", "TOK", "TOK1", "TOK2")  # what tutorials use in the place of a name
# what papers and scripts write for a word of their own: S*, V*, [V], <token>, <s0>
PLACEHOLDER = re.compile(r"(?<!\w)[SV]\*(?!\w)|\[V\]|<[A-Za-z][\w-]{1,30}>")
LATE, LATE_TAGS = 20, 8  # words or tags before the trigger
SHOWN = 4  # pictures that are named
FOREIGN = 0.5  # share of letters of another script
# words that another language cannot do without; two of them, and none of English
_ENGLISH = frozenset(re.findall(r"\w+", "a an the of in on at with and is are wearing from by to his her"))
_LANGUAGES = {
    "German": "der die das ein eine einen einem mit und auf ist im vor einer trägt neben",
    "French": "le la les un une des avec et dans est sur du devant porte au",
    "Spanish": "el la los las un una con y en es sobre del lleva frente al",
    "Italian": "il lo la gli un una con e di nel sulla è davanti indossa",
    "Portuguese": "o a os as um uma com e no na é do da em frente",
    "Dutch": "de het een met en op is van voor draagt naast",
}
# one of these is enough where nothing is English: no English word is written so
_SURE_WORDS = "ein eine einem einen und auf une avec dans una nel sulla della uma het een och på bir için jest się"
_SURE = frozenset(re.findall(r"\w+", _SURE_WORDS))
_LETTERS = re.compile("[ğışłęąńśżźřěůőűțșđ\u1ea0-\u1ef9]")  # Turkish, Polish, Czech, Vietnamese ...
_MARKS = (
    "watermark", "watermarked", "signature", "artist name", "web address", "username", "copyright", "text overlay",
    "text in the corner", "date stamp", "timestamp", "getty images", "shutterstock", "istock", "alamy", "adobe stock",
    "jpeg artifacts", "pixelated", "lowres", "low quality", "worst quality", "blurry", "bad anatomy",
)  # fmt: skip
MARKUP = re.compile(r"(?i)</?(?:p|br|b|i|u|em|strong|div|span|ul|li|think)>")
_PLAIN = frozenset(["a", "an", "the", "of", "photo", "picture", "image", "portrait", "style", "in", "on", "person"])


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
    named = next((one for one in others if re.search(word_pattern(one), caption)), "")
    held = [one[0] for one in PLACEHOLDER.finditer(caption) if triggers and one[0].casefold() not in own]
    return named or next((one for one in held if not re.fullmatch(MARKUP, one)), "")


def _bare(caption: str, triggers: tuple[str, ...], class_word: str) -> str:
    words = set(_words(caption)) - _PLAIN - set(_words(" ".join((*triggers, class_word))))
    return caption.strip() if triggers and not words and _first(caption, triggers) is not None else ""


def _late(caption: str, triggers: tuple[str, ...], _: str) -> str:
    place = _first(caption, triggers)
    before = caption[: place or 0]
    return before if len(_words(before)) >= LATE or before.count(",") >= LATE_TAGS else ""


def _marks(caption: str, _: tuple[str, ...], __: str) -> str:
    plain = caption.lower().replace("_", " ")
    found = next((one for one in _MARKS if re.search(rf"(?<!\w){one}(?!\w)", plain)), "")
    return "" if re.search(rf"(?<!\w)(?:no|without)(?: an?)? {found}", plain) else found


def _language(caption: str, triggers: tuple[str, ...], _: str) -> str:
    letters = [char for char in caption if char.isalpha()]
    others = [char for char in letters if not unicodedata.name(char, "LATIN").startswith(("LATIN", "FULLWIDTH LATIN"))]
    if len(others) > FOREIGN * len(letters):
        return unicodedata.name(others[0], "").split()[0].title() + " letters"
    own = set(_words(" ".join(triggers)))
    words = set(_words(caption)) - own
    if words & _ENGLISH - {"a", "in", "is", "on"}:
        return ""
    counts = {name: len(words & set(its.split())) for name, its in _LANGUAGES.items()}
    best = max(counts, key=counts.__getitem__)
    if counts[best] >= 2 and counts[best] > len(words & _ENGLISH):
        return best
    if sure := (words & _SURE or set(_LETTERS.findall(" ".join(words)))):
        return best if counts[best] else min(sure)
    return ""


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
        "not in English, as it seems",
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
