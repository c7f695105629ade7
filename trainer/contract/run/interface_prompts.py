"""A prompt as a person types it into each user interface: the embeddings by their files, brackets as plain letters."""

from __future__ import annotations

import re
from collections.abc import Mapping

from trainer.contract.settings.triggers import any_of, with_names


def a1111_prompt(prompt: str, names: Mapping[str, str]) -> str:
    """AUTOMATIC1111, Forge and SD.Next: the embedding's name alone; both kinds of brackets give weights there.

    AND and BREAK in capitals cut a prompt (modules/prompt_parser.py); in small letters they are words, and CLIP
    reads every word so.
    """
    kept = {*names}
    words = re.sub(r"\b(AND|BREAK)\b", lambda one: one[0] if one[0] in kept else one[0].lower(), prompt)
    return _plain(with_names(words, names, "{}"), "()[]")


def comfyui_prompt(prompt: str, names: Mapping[str, str]) -> str:
    """ComfyUI: embedding:NAME, with spaces around it; braces are choices there, made by the page before it sends.

    It reads the name up to the next space (comfy/sd1_clip.py, SDTokenizer.tokenize_with_weights): with a full stop
    behind it, it looks for another file, and the words stay without their vectors. Braces with a backslash stay
    (Comfy-Org/ComfyUI_frontend, formatUtil.ts processDynamicPrompt).
    """
    return _plain(" ".join(with_names(prompt, names, " embedding:{} ").split()), "(){}")


def invokeai_prompt(prompt: str, names: Mapping[str, str]) -> str:
    """InvokeAI: the embedding's name between angle brackets (8e71a8a, app/util/ti_utils.py).

    A pair of braces is a choice there (dynamicprompts), for which no other writing is known: they are left out.
    """
    words = re.sub(r"[{}]", "", prompt) if re.search(r"\{.*\}", prompt, re.DOTALL) else prompt
    return _plain(with_names(words, names, "<{}>"), "()")


def is_invokeai_name(name: str) -> bool:
    """Whether InvokeAI finds an embedding of this name in a prompt: it looks for these letters alone."""
    return re.fullmatch(r"[a-zA-Z0-9., _-]+", name) is not None


def swarmui_prompt(prompt: str, names: Mapping[str, str]) -> str:
    """SwarmUI: <embed:NAME> (062407c, docs/Features/Prompt Syntax.md); square brackets change words by the step.

    Its own node reads \\[ as a letter (SwarmTextHandling.py), ComfyUI's behind it \\(.
    """
    return _plain(with_names(prompt, names, "<embed:{}>"), "()[]")


def named_prompt(prompt: str, names: Mapping[str, str]) -> str:
    """`prompt` with the embeddings' names in place of the triggers, and nothing else changed."""
    return re.sub(any_of(names), lambda found: names[found.group()], prompt) if names else prompt


def _plain(prompt: str, brackets: str) -> str:
    return re.sub(rf"(?<!\\)([{re.escape(brackets)}])", r"\\\1", prompt)
