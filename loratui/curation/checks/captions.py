"""Does each picture have a caption of its own, does the trigger stand in it, will all of it be read."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

from loratui.curation.report import Finding, Severity
from loratui.terminal.text import plural, safe_text
from trainer.contract.captioning.foreign import REFUSAL, foreign, is_filler, is_mild
from trainer.contract.captioning.tokens import TokenCount
from trainer.contract.pictures.folder import MAX_CAPTION_BYTES, Picture
from trainer.contract.pictures.inside import read_inside
from trainer.contract.pictures.problems import Problem, severity_of
from trainer.contract.pictures.regular import UTF16, as_text
from trainer.contract.settings.captions import MOST_TOKENS
from trainer.contract.settings.triggers import holds_word, plain_width, split_triggers, word_pattern

SURELY = 85 / 75  # an estimate that is this many times what is read is over it in truth
BOM = b"\xef\xbb\xbf"


def caption_findings(name: str, caption: str | None, trigger: str, instance_prompt: str) -> tuple[Finding, ...]:
    """A picture without a caption is trained with the instance prompt; one without the trigger teaches nothing."""
    if caption is None:
        said = f"no caption; it is trained as '{safe_text(instance_prompt, 60)}'"
        return (Finding("no-caption", "hint", name, None, said, "write one into a .txt file beside the picture"),)
    return (*_trigger(name, caption, trigger), *_hidden(name, caption))


def length_findings(name: str, count: TokenCount, most: int) -> tuple[Finding, ...]:
    """What is longer than the `most` that is read (caption.max_tokens) is cut off without a word."""
    if not count.over(most):
        return ()
    remedy = "shorten it: what matters first"
    if most < MOST_TOKENS:
        remedy += f"; or read more: caption.max_tokens, up to {MOST_TOKENS}"
    about, rest = ("", ", the rest is cut off") if count.exact else ("about ", "")
    said = f"the caption has {about}{plural(count.count, 'token')}; the model reads {most}{rest}"
    severity: Severity = "warn" if count.exact or count.count > most * SURELY else "hint"
    return (Finding("caption-long", severity, name, count.count, said, remedy),)


def raw_findings(picture: Picture, raw: bytes | None) -> tuple[Finding, ...]:
    """What the file of a caption looks like (`raw_caption`): a byte order mark, DOS line ends, no words."""
    if raw is None:
        return ()
    found, text = [], raw_text(picture, raw)
    looks = {
        "a byte order mark": raw.startswith(BOM),
        "16 bits a letter (UTF-16)": raw.startswith(UTF16),
        "DOS line ends": b"\r" in raw,
        "full-width letters": text != plain_width(text),
    }
    marks = [word for word, there in looks.items() if there]
    if marks:
        said = f"the caption file has {' and '.join(marks)}; read correctly here; other programs may train on them"
        found.append(Finding("caption-bom", "hint", picture.name, None, said, "save it as plain UTF-8"))
    if picture.caption is None and not raw.removeprefix(BOM).strip():
        said = "the caption file has no words in it"
        found.append(Finding("caption-empty", "hint", picture.name, None, said, "write the caption into it"))
    return tuple(found)


def raw_text(picture: Picture, raw: bytes | None) -> str:
    """The caption with its line ends, as far as it can be read."""
    try:
        return as_text(raw) if raw is not None else picture.caption or ""
    except UnicodeDecodeError:
        return ""


def raw_caption(picture: Picture) -> bytes | None:
    """What the text file of the picture holds; None where there is none, or it is not read."""
    file = picture.text_file
    return None if file is None else read_inside(file, MAX_CAPTION_BYTES, picture.path.parent)


def syntax_findings(pictures: Iterable[Picture], raws: Iterable[bytes | None], trigger: str) -> tuple[Finding, ...]:
    """Once for the set: how many captions hold what a program can put right, with an example of each kind."""
    syntax, filler = _KindsFound(), _KindsFound()
    for picture, raw in zip(pictures, raws, strict=True):
        found = foreign(raw_text(picture, raw), trigger)
        filler.take(picture.name, {name: one for name, one in found.items() if is_filler(name)})
        syntax.take(picture.name, {name: one for name, one in found.items() if not is_filler(name)})
    findings = []
    if syntax.kinds:
        said = f"{plural(syntax.count, 'caption')} with what other programs write, trained as it stands: {syntax.shown}"
        severity: Severity = "hint" if is_mild(set(syntax.kinds)) else "warn"
        remedy = "'loratui fix' writes copies with plain words; it takes the first of several"
        if REFUSAL in syntax.kinds:
            remedy += "; write those captions that a chat model refused"
        findings.append(Finding("caption-syntax", severity, "", syntax.count, said, remedy, files=tuple(syntax.names)))
    if filler.kinds:
        said = f"{plural(filler.count, 'caption')} with words that say nothing of the picture: {filler.shown}"
        remedy = "'loratui fix' writes copies without them"
        findings.append(Finding("caption-filler", "hint", "", filler.count, said, remedy, files=tuple(filler.names)))
    return tuple(findings)


class _KindsFound:
    """In how many captions something was found, and an example of each kind."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.kinds: dict[str, str] = {}

    def take(self, name: str, found: dict[str, str]) -> None:
        """What was found in the caption of one picture."""
        self.names += [name] if found else []
        self.kinds = {**found, **self.kinds}

    @property
    def count(self) -> int:
        """In how many captions."""
        return len(self.names)

    @property
    def shown(self) -> str:
        """ "weights ('(sharp:1.2)'), BREAK ('BREAK')"."""
        return ", ".join(f"{name} ('{safe_text(example, 30)}')" for name, example in self.kinds.items())


def problem_findings(problems: Iterable[Problem]) -> tuple[Finding, ...]:
    """What was wrong with the files of the folder; what is fatal cannot be accepted."""
    return tuple(_finding(one, severity_of(one)) for one in problems)


def _finding(one: Problem, severity: Severity) -> Finding:
    value = list(one.value) if isinstance(one.value, tuple) else one.value
    words, remedy = safe_text(one.message), safe_text(one.remedy)
    return Finding(one.code, severity, one.file, value, words, remedy, acceptable=severity != "block")


def _trigger(name: str, caption: str, trigger: str) -> tuple[Finding, ...]:
    words = split_triggers(trigger)
    shown = safe_text(trigger, 40)
    times = [len(re.findall(word_pattern(word), caption)) for word in words]
    if max(times, default=0) > 1:
        said = f"the trigger '{shown}' stands {plural(max(times), 'time')} in the caption"
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
