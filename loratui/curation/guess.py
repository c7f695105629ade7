"""What a folder seems to teach and by which word: from its name as kohya's trainers read it, faces and captions."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from loratui.curation.checks.caption_words import STOP
from loratui.curation.report import Report
from loratui.settings.other_trainers.kohya_folders import kind_named, taught_by_folder
from loratui.terminal.text import plural, safe_text
from trainer.contract.settings.config import BY_KEY
from trainer.contract.settings.triggers import split_triggers

FACES = 0.6  # of the pictures show exactly one face
SAME, ENOUGH = 0.8, 3  # of the captions begin with one word; so many captions before that says anything
RARE = frozenset({"sks"})  # single tokens that are used as triggers all the same


@dataclass(frozen=True)
class SubjectGuess:
    """Settings by dotted key that the pictures speak for, and why, a sentence each; empty where nothing speaks."""

    values: dict[str, Any] = field(default_factory=dict)
    why: tuple[str, ...] = ()


def guess_subject(report: Report, base: str) -> SubjectGuess:
    """What the report and the folder's name say; `base` is the model whose words are none to be triggers."""
    values, why = named_so(report.folder.name)
    opened = [one for one in report.pictures if one.faces is not None]
    faces = sum(one.faces == 1 for one in opened)
    if "kind" not in values and opened and faces >= FACES * len(opened):
        values["kind"] = "face"
        why.append(f"{faces} of {plural(len(opened), 'picture')} show one face: it seems to be about a face")
    word = first_word([one.caption for one in report.pictures if one.caption], base)
    if word and "dataset.trigger" not in values:
        values["dataset.trigger"] = word
        why.append(f"the captions begin with '{safe_text(word, 30)}': it seems to be the trigger")
    return SubjectGuess(values, tuple(why))


def named_so(folder: str) -> tuple[dict[str, Any], list[str]]:
    """What a folder's name says to kohya's trainers: repeats, trigger and class word; nothing in another name."""
    values = taught_by_folder(folder)
    if not values:
        return {}, []
    word, of = values["dataset.trigger"], str(values.get("dataset.class_word", ""))
    said = f"the folder is called '{safe_text(folder, 40)}': repeats {values['dataset.repeats']}"
    said += f", trigger {safe_text(word, 30)}{f', class word {safe_text(of, 30)}' if of else ''}"
    if kind := kind_named((of,)):
        values["kind"] = kind
    return values, [said]


def trigger_before(captions: list[str], trigger: str) -> str:
    """The rare word that most captions begin with, where it is not one of `trigger`: their trigger so far."""
    triggers = split_triggers(trigger)
    word = first_word(captions, BY_KEY["model.base"].default) if triggers else ""
    return "" if word in triggers else word


def first_word(captions: list[str], base: str) -> str:
    """The rare word that most captions begin with, or nothing."""
    from trainer.contract.captioning.tokens import known_word

    firsts = Counter(words[0].strip(",.;:!?\"'") for one in captions if (words := one.split()))
    if len(captions) < ENOUGH or not firsts:
        return ""
    word, count = firsts.most_common(1)[0]
    if count < SAME * len(captions) or not word or word.lower() in STOP:
        return ""
    return word if word.lower() in RARE or not known_word(base, word) else ""
