"""Does each picture have a caption of its own, and does the trigger stand in it."""

from __future__ import annotations

from collections.abc import Iterable

from loratui.curation.report import Finding
from loratui.text import safe_text
from trainer.contract.pictures import Problem
from trainer.contract.triggers import holds_word, split_triggers

BLOCKING = frozenset({"metadata-outside"})  # a path that leaves the folder: hostile, or a mistake to know of


def caption_findings(name: str, caption: str | None, trigger: str, instance_prompt: str) -> tuple[Finding, ...]:
    """A picture without a caption is trained with the instance prompt; one without the trigger teaches nothing."""
    if caption is None:
        said = f"no caption; it is trained as '{safe_text(instance_prompt, 60)}'"
        return (Finding("no-caption", "hint", name, None, said, "write one into a .txt file beside the picture"),)
    words = split_triggers(trigger)
    if any(holds_word(caption, word) for word in words):
        return ()
    said = f"the trigger '{safe_text(trigger, 40)}' is not in the caption '{safe_text(caption, 60)}'"
    return (Finding("trigger-missing", "warn", name, None, said, f"put '{safe_text(trigger, 40)}' into the caption"),)


def problem_findings(problems: Iterable[Problem]) -> tuple[Finding, ...]:
    """What was wrong with the caption files themselves."""
    return tuple(
        Finding(
            one.code, "block" if one.code in BLOCKING else "warn", one.file, None, safe_text(one.message), one.remedy
        )
        for one in problems
    )
