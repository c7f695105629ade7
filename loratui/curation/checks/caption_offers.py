"""What captions could say too: the words of the prompts that are meant for it, and a person whom the model knows."""

from __future__ import annotations

import re
from collections.abc import Sequence

from loratui.curation.checks.caption_words import ENOUGH, STOP
from loratui.curation.people.framing import PEOPLE
from loratui.curation.report import Finding
from loratui.terminal.text import safe_text
from trainer.contract.settings.sample_prompts import read_sample_prompt
from trainer.contract.settings.triggers import split_triggers

STEM = 4  # letters by which a word is told again: smile, smiling
SHOWN = 6


def offers(
    captions: Sequence[str], prompts: Sequence[str], trigger: str, class_word: str, kind: str
) -> tuple[Finding, ...]:
    """Hints; `prompts` are those that a person has typed for the validation pictures. Nobody's face is looked at."""
    found = [*_prompt_words(captions, prompts, {*split_triggers(trigger.lower()), *class_word.lower().split()})]
    if kind in PEOPLE and len(captions) >= ENOUGH:
        said = "if the person looks like somebody famous, a caption may say so: 'TOK, looking like NAME'"
        remedy = "only you can say who; the model then starts from a face that it knows"
        found.append(Finding("lookalike", "hint", "", None, said, remedy))
    return tuple(found)


def _prompt_words(captions: Sequence[str], prompts: Sequence[str], own: set[str]) -> list[Finding]:
    """The seed: portray it in as many ways as you would want to prompt for."""
    if len(captions) < ENOUGH:
        return []
    told = {word[:STEM] for one in captions for word in _words(one)}
    wanted = [word for one in prompts for word in _words(_text(one)) if word not in STOP | own]
    missing = list(dict.fromkeys(word for word in wanted if len(word) >= STEM and word[:STEM] not in told))
    if not missing:
        return []
    shown = ", ".join(f"'{safe_text(word, 30)}'" for word in missing[:SHOWN])
    said = f"your prompts ask for {shown}, which no caption mentions"
    remedy = "leave it if the model is to make that up; otherwise add pictures of it, or say so where it can be seen"
    return [Finding("prompt-words", "hint", "", missing, said, remedy)]


def _text(prompt: str) -> str:
    """The prompt without its options; all of it where those cannot be read: the settings say so elsewhere."""
    try:
        return read_sample_prompt(prompt).words
    except ValueError:
        return prompt


def _words(text: str) -> list[str]:
    return re.findall(r"[^\W\d_]{2,}", text.lower())
