"""Does each picture have a caption of its own, does the trigger stand in it, will all of it be read."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

from loratui.curation.checks.tokens import MOST, TokenCount
from loratui.curation.report import Finding, Severity
from loratui.terminal.text import safe_text
from trainer.contract.pictures.folder import MAX_CAPTION_BYTES, Picture, Problem, read_regular
from trainer.contract.settings.triggers import holds_word, split_triggers, word_pattern

BLOCKING = frozenset({"metadata-outside"})  # a path that leaves the folder: hostile, or a mistake to know of
ESTIMATED_MOST = 85  # an estimate that is this high is over 75 in truth
BOM = b"\xef\xbb\xbf"


def caption_findings(name: str, caption: str | None, trigger: str, instance_prompt: str) -> tuple[Finding, ...]:
    """A picture without a caption is trained with the instance prompt; one without the trigger teaches nothing."""
    if caption is None:
        said = f"no caption; it is trained as '{safe_text(instance_prompt, 60)}'"
        return (Finding("no-caption", "hint", name, None, said, "write one into a .txt file beside the picture"),)
    return (*_trigger(name, caption, trigger), *_hidden(name, caption))


def length_findings(name: str, count: TokenCount) -> tuple[Finding, ...]:
    """What is longer than the model reads is cut off without a word."""
    remedy = "shorten it: what matters first"
    if count.exact and count.count > MOST:
        said = f"the caption has {count.count} tokens; the model reads {MOST}, the rest is cut off"
        return (Finding("caption-long", "warn", name, count.count, said, remedy),)
    if not count.exact and count.count > MOST:
        said = f"the caption has about {count.count} tokens; the model reads {MOST}"
        severity: Severity = "warn" if count.count > ESTIMATED_MOST else "hint"
        return (Finding("caption-long", severity, name, count.count, said, remedy),)
    return ()


def raw_findings(picture: Picture) -> tuple[Finding, ...]:
    """What the file of a caption looks like: a byte order mark, DOS line ends, no words."""
    if picture.source != "sidecar":
        return ()
    raw = read_regular(picture.path.with_suffix(".txt"), MAX_CAPTION_BYTES)
    if raw is None:
        return ()
    found = []
    marks = [
        word for word, there in (("a byte order mark", raw.startswith(BOM)), ("DOS line ends", b"\r" in raw)) if there
    ]
    if marks:
        said = f"the caption file has {' and '.join(marks)}; both are left out here, other programs may train them"
        found.append(Finding("caption-bom", "hint", picture.name, None, said, "save it as plain UTF-8"))
    if picture.caption is None and not raw.removeprefix(BOM).strip():
        said = "the caption file has no words in it"
        found.append(Finding("caption-empty", "hint", picture.name, None, said, "write the caption into it"))
    return tuple(found)


def problem_findings(problems: Iterable[Problem]) -> tuple[Finding, ...]:
    """What was wrong with the caption files themselves."""
    return tuple(
        Finding(
            one.code, "block" if one.code in BLOCKING else "warn", one.file, None, safe_text(one.message), one.remedy
        )
        for one in problems
    )


def _trigger(name: str, caption: str, trigger: str) -> tuple[Finding, ...]:
    words = split_triggers(trigger)
    shown = safe_text(trigger, 40)
    times = [len(re.findall(word_pattern(word), caption)) for word in words]
    if max(times, default=0) > 1:
        said = f"the trigger '{shown}' stands {max(times)} times in the caption"
        return (Finding("trigger-twice", "hint", name, max(times), said, "once is enough"),)
    if any(times):
        return ()
    how, why = None, ""
    if any(holds_word(caption.lower(), word.lower()) for word in words):
        how, why = "case", ", only in other letters (upper and lower case differ)"
    elif any(word.lower() in caption.lower() for word in words):
        how, why = "inside", ", only as a part of another word"
    said = f"the trigger '{shown}' is not in the caption '{safe_text(caption, 60)}'{why}"
    return (Finding("trigger-missing", "warn", name, how, said, f"put '{shown}' into the caption"),)


def is_hidden(char: str) -> bool:
    """Whether nobody sees a character: control, format, private or unassigned; but for the one that joins emoji."""
    return unicodedata.category(char) in ("Cc", "Cf", "Co", "Cn") and char != "\u200d"


def _hidden(name: str, caption: str) -> tuple[Finding, ...]:
    """Characters that nobody sees and the tokenizer does: controls, zero widths, marks of direction."""
    hidden = [char for char in caption if is_hidden(char)]
    if not hidden:
        return ()
    codes = ", ".join(dict.fromkeys(f"U+{ord(char):04X}" for char in hidden[:5]))
    said = f"control or invisible characters in the caption: {codes}"
    return (Finding("caption-control", "warn", name, len(hidden), said, "type the caption anew"),)
