"""What is only seen over all captions: the same one everywhere, words that hardly change, a trigger with a meaning."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from loratui.curation.report import Finding
from loratui.terminal.text import plural, safe_text
from trainer.contract.captioning.tokens import known_word
from trainer.contract.settings.triggers import holds_word, split_triggers

MOST = 0.8  # of the captions; a word that is missing in few of them is learned as one that is in all
ENOUGH = 5  # captions before anything can be said of all of them
_GRAMMAR = "a an the of in on at to and with by for from is are was it its this that as or"
_PICTURE = "photo picture image style background"
STOP = frozenset(f"{_GRAMMAR} {_PICTURE}".split())


def wording_findings(
    captions: Sequence[str], trigger: str, class_word: str, base: str, new_tokens: bool, names: Sequence[str] = ()
) -> tuple[Finding, ...]:
    """`captions`: those of the pictures' own, whose `names` stand in the same order.

    `new_tokens`: the trigger is replaced by tokens made for it.
    """
    found = [*_same(captions), *_constant(captions, trigger, class_word)]
    if not new_tokens:
        found += _known(trigger, base)
    if class_word:
        lacking = [at for at, one in enumerate(captions) if not holds_word(one.lower(), class_word.lower())]
        if lacking:
            said = f"{plural(len(lacking), 'caption')} without the class word '{safe_text(class_word, 40)}'"
            remedy = "say what it is: the class word ties it to what the model knows"
            found.append(
                Finding(
                    "class-word-missing",
                    "hint",
                    "",
                    len(lacking),
                    said,
                    remedy,
                    files=tuple(names[at] for at in lacking if names),
                )
            )
    return tuple(found)


def _same(captions: Sequence[str]) -> list[Finding]:
    if len(captions) < ENOUGH or len(set(captions)) > 1:
        return []
    said = f"all {plural(len(captions), 'caption')} are '{safe_text(captions[0], 60)}'"
    remedy = "describe what changes between the pictures; what is described can be changed later"
    return [Finding("same-caption", "hint", "", len(captions), said, remedy)]


def _constant(captions: Sequence[str], trigger: str, class_word: str) -> list[Finding]:
    if len(captions) < ENOUGH or len(set(captions)) == 1:
        return []
    counts = Counter(word for one in captions for word in set(re.findall(r"[^\W\d_]{2,}", one.lower())))
    own = {word.lower() for word in (*split_triggers(trigger), *class_word.split())}
    least = max(ENOUGH, MOST * len(captions))
    words = sorted(word for word, count in counts.items() if count >= least and word not in STOP | own)
    if not words:
        return []
    shown = ", ".join(f"'{safe_text(word, 30)}'" for word in words[:8])
    where = "every caption" if all(counts[word] == len(captions) for word in words) else "most captions"
    said = f"in {where}: {shown}; what hardly changes becomes part of the concept"
    return [Finding("constant-words", "hint", "", words[:8], said, "leave it if that is meant, else vary it")]


def _known(trigger: str, base: str) -> list[Finding]:
    known = [word for word in split_triggers(trigger) if known_word(base, word)]
    if not known:
        return []
    shown = ", ".join(f"'{safe_text(word, 40)}'" for word in known)
    said = f"the base model already knows {shown}: what it means there mixes with the new concept"
    return [Finding("trigger-common", "hint", "", known, said, "choose a word that means nothing, such as TOK")]
