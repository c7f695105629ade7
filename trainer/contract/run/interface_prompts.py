"""A prompt as a person types it into each user interface: the embeddings by their files, brackets as plain letters."""

from __future__ import annotations

import re
from collections.abc import Mapping

from trainer.contract.settings.triggers import word_pattern


def a1111_prompt(prompt: str, names: Mapping[str, str]) -> str:
    """AUTOMATIC1111, Forge and SD.Next: the embedding's name alone; both kinds of brackets give weights there."""
    return _plain(_written(prompt, names, "{}"), "()[]")


def comfyui_prompt(prompt: str, names: Mapping[str, str]) -> str:
    """ComfyUI: embedding:NAME, with spaces around it.

    It reads the name up to the next space (comfy/sd1_clip.py, SDTokenizer.tokenize_with_weights): with a full stop
    behind it, it looks for another file, and the words stay without their vectors.
    """
    return _plain(" ".join(_written(prompt, names, " embedding:{} ").split()), "()")


def invokeai_prompt(prompt: str, names: Mapping[str, str]) -> str:
    """InvokeAI: the embedding's name between angle brackets."""
    return _plain(_written(prompt, names, "<{}>"), "()")


def swarmui_prompt(prompt: str, names: Mapping[str, str]) -> str:
    """SwarmUI: <embed:NAME>."""
    return _plain(_written(prompt, names, "<embed:{}>"), "()")


def named_prompt(prompt: str, names: Mapping[str, str]) -> str:
    """`prompt` with the embeddings' names in place of the triggers, and nothing else changed."""
    return _written(prompt, names, "{}")


def _written(prompt: str, names: Mapping[str, str], form: str) -> str:
    """`prompt` with each trigger, as a whole word and the longest first, as `form` of its embedding's name."""
    if not names:
        return prompt
    pattern = "|".join(word_pattern(word) for word in sorted(names, key=len, reverse=True))
    return re.sub(pattern, lambda found: form.format(names[found.group()]), prompt)


def _plain(prompt: str, brackets: str) -> str:
    return re.sub(rf"(?<!\\)([{re.escape(brackets)}])", r"\\\1", prompt)
