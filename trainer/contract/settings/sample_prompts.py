"""How the prompt of a validation picture is written: its words, and perhaps a negative prompt and a seed of its own."""

from __future__ import annotations

import re
from dataclasses import dataclass

MAX_SEED = 2**63 - 1
_OPTION = re.compile(r"(?:^|\s)--([nd])(?=\s|$)")
_OTHER = re.compile(r"(?:^|\s)(--[a-z]+)(?=\s|$)")


@dataclass(frozen=True)
class SamplePrompt:
    """A prompt as it was written, and what it says: its words, and after them perhaps --n NEGATIVE and --d SEED."""

    text: str
    words: str
    negative: str = ""
    seed: int | None = None


def read_sample_prompt(text: str) -> SamplePrompt:
    """Read "a TOK dog --n blurry --d 42": the options of kohya's sample prompts. Raises ValueError for a bad seed."""
    words, *options = _OPTION.split(text)
    said = dict(zip(options[::2], (one.strip() for one in options[1::2]), strict=True))
    if "d" not in said:
        return SamplePrompt(text, words.strip() if said else text, said.get("n", ""))
    if not re.fullmatch(r"[0-9]{1,19}", said["d"]) or int(said["d"]) > MAX_SEED:
        raise ValueError(f"'--d {said['d']}' is no seed; write a whole number, such as --d 42")
    return SamplePrompt(text, words.strip(), said.get("n", ""), int(said["d"]))


def unknown_options(text: str) -> list[str]:
    """Words that look like an option and are none, such as "--w": they are drawn as words."""
    return [one for one in _OTHER.findall(text) if one not in ("--n", "--d")]
