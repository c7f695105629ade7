"""The caption of a copy: UTF-8 without a byte order mark, with the trigger in it."""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable
from dataclasses import dataclass

from loratui.curation.captions.bulk import Replacement
from loratui.curation.checks.caption_faults import other_trigger
from loratui.curation.checks.captions import is_hidden
from loratui.curation.copies.pixels import FixStep
from loratui.terminal.text import plural, safe_text
from trainer.contract.captioning.foreign import cleaned, foreign
from trainer.contract.pictures.folder import MAX_CAPTION_BYTES, Picture
from trainer.contract.pictures.inside import read_inside, why_not_inside
from trainer.contract.pictures.regular import UTF16
from trainer.contract.settings.triggers import holds_word, plain_width, split_triggers, word_pattern
from trainer.contract.settings.triggers import with_trigger as put_before

Change = Callable[[str], str]
MOST_OTHERS = 6  # triggers of other trainings that one caption is searched for


@dataclass(frozen=True)
class CaptionCopy:
    """What the .txt beside the copy holds (None: no file), what was done to it, and what stood in the way."""

    raw: bytes | None
    done: tuple[FixStep, ...] = ()
    problem: str = ""


def copy_caption(
    picture: Picture, trigger: str, edited: str | None = None, before: str = "", change: Change = str
) -> CaptionCopy:
    """The caption of `picture`, or `edited` in its place, put right; an empty `trigger` adds none.

    `before` is the trigger that the captions were written with, `change` what else is made of their words.
    """
    sidecar = picture.text_file
    done: list[FixStep] = []
    raw = None
    if edited is not None:
        text = edited.strip()
        done.append(FixStep("caption", "caption as edited"))
    elif sidecar is not None:
        raw = read_inside(sidecar, MAX_CAPTION_BYTES, picture.path.parent)
        if raw is None:
            what = why_not_inside(sidecar, picture.path.parent) or "too large or cannot be read"
            return CaptionCopy(None, (), f"{sidecar.name} is {what}: the copy has no caption")
        text, was = decode(raw)
        if was:
            done.append(FixStep("encoding", f"caption from {was} to UTF-8"))
    else:
        text = picture.caption or ""
        if text:
            done.append(FixStep("caption", "caption from the metadata into a .txt of its own"))
    steps = (
        _plain,
        lambda words: _in_place_of(words, split_triggers(trigger), before),  # a [V] would be a weight
        lambda words: _in_plain_words(words, trigger),
        lambda words: _changed(words, change),
        lambda words: with_trigger(words, trigger, before),
    )
    for step in steps:
        text, more = step(text)
        done += more
    if done:
        raw = (text.strip() + "\n").encode() if text.strip() else None
    return CaptionCopy(raw, tuple(done))


def _plain(text: str) -> tuple[str, list[FixStep]]:
    """Without DOS line ends and without what nobody sees: controls, zero widths, marks of direction."""
    done: list[FixStep] = []
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
        done.append(FixStep("encoding", "DOS line ends made plain"))
    shown = "".join(char for char in text if char in "\n\t" or not is_hidden(char))
    if shown != text:
        count = len(text) - len(shown)
        done.append(FixStep("control", f"{plural(count, 'invisible character')} removed from the caption"))
    return shown, done


def _in_plain_words(text: str, trigger: str) -> tuple[str, list[FixStep]]:
    """Without what other programs write into captions; it says which kinds were there."""
    plain = cleaned(plain_width(text), trigger)
    if plain == text:
        return text, []
    kinds = ", ".join(foreign(text, trigger)) or "full-width letters"
    return plain, [FixStep("syntax", f"caption in plain words: {kinds}")]


def _changed(text: str, change: Change) -> tuple[str, list[FixStep]]:
    made = change(text)
    return made, [FixStep("caption", "words of the caption replaced")] if made != text else []


def with_trigger(text: str, trigger: str, before: str = "") -> tuple[str, list[FixStep]]:
    """With the trigger: in its own letters where it stands in others, else before the caption; none for no words.

    The trigger of another training, or the one that the captions were written with (`before`), makes room for it.
    """
    triggers = split_triggers(trigger)
    if not text.strip() or not triggers:
        return text, []
    text, done = _in_place_of(text, triggers, before)
    if any(holds_word(text, one) for one in triggers):
        return text, done
    for word in triggers:
        spelled, count = re.subn(word_pattern(word), lambda _, word=word: word, text, flags=re.IGNORECASE)  # type: ignore[misc]
        if count:
            return spelled, [FixStep("trigger", f"trigger written as '{word}'")]
    done.append(FixStep("trigger", f"trigger '{triggers[0]}' put before the caption"))
    return put_before(text.strip(), trigger), done


def _in_place_of(text: str, triggers: tuple[str, ...], before: str) -> tuple[str, list[FixStep]]:
    """The text with the first trigger where another one stood; without the other, where ours stands already."""
    done: list[FixStep] = []
    for _ in range(MOST_OTHERS if triggers else 0):
        other = other_trigger(text, triggers)
        if not other and before and before not in triggers and holds_word(text, before):
            other = before
        if not other:
            break
        there = any(holds_word(text, one) for one in triggers)
        text = _without(text, other) if there else re.sub(_alone(other), lambda _: triggers[0], text, count=1)
        done.append(FixStep("trigger", f"'{safe_text(other, 30)}' {'taken out' if there else f'made {triggers[0]}'}"))
    return text, done


def _alone(other: str) -> str:
    """A pattern for it: a word where no letter stands beside it, signs such as <s0> wherever they stand."""
    return word_pattern(other) if other.isalnum() else re.escape(other)


def _without(text: str, other: str) -> str:
    return Replacement(other, whole_words=other.isalnum(), same_case=True)(text)


def decode(raw: bytes) -> tuple[str, str]:
    """The text of a caption file, and what it was encoded as where that was not plain UTF-8."""
    if raw.startswith(codecs.BOM_UTF8):
        return raw.decode("utf-8-sig", "replace"), "UTF-8 with a byte order mark"
    if raw.startswith(UTF16):
        return raw.decode("utf-16", "replace"), "UTF-16"
    try:
        return raw.decode(), ""
    except UnicodeDecodeError:
        pass
    # what Windows editors wrote before; a guess, and said as one
    try:
        return raw.decode("cp1252"), "what looks like Windows-1252"
    except UnicodeDecodeError:
        return raw.decode("latin-1"), "what looks like Latin-1"
