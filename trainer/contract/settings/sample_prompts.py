"""How the prompt of a validation picture is written: its words, perhaps a negative prompt, seed and size of its own."""

from __future__ import annotations

import re
from dataclasses import dataclass

MAX_SEED = 2**63 - 1
SMALLEST, LARGEST, UNIT = 64, 4096, 8  # px a side
_OPTION = re.compile(r"(?:^|\s)--([ndwh])(?=\s|$)")
_KNOWN = ("--n", "--d", "--w", "--h")
_OTHER = re.compile(r"(?:^|\s)(--[a-z]+)(?=\s|$)")


@dataclass(frozen=True)
class SamplePrompt:
    """A prompt as it was written, and what it says: its words, and after them perhaps options as kohya has them.

    --n NEGATIVE, --d SEED, --w WIDTH and --h HEIGHT in px; 0 is what the settings say.
    """

    text: str
    words: str
    negative: str = ""
    seed: int | None = None
    width: int = 0
    height: int = 0


def read_sample_prompt(text: str) -> SamplePrompt:
    """Read "a TOK dog --n blurry --d 42 --w 768": the options of kohya's sample prompts. Raises ValueError."""
    words, *options = _OPTION.split(text)
    said = dict(zip(options[::2], (one.strip() for one in options[1::2]), strict=True))
    if "d" in said and (not re.fullmatch(r"[0-9]{1,19}", said["d"]) or int(said["d"]) > MAX_SEED):
        raise ValueError(f"'--d {said['d']}' is not a seed; write a whole number, such as --d 42")
    return SamplePrompt(
        text,
        words.strip() if said else text,
        said.get("n", ""),
        int(said["d"]) if "d" in said else None,
        _side(said, "w"),
        _side(said, "h"),
    )


def side_refusal(side: int) -> str:
    """Why no picture has a side of so many px; empty where one can."""
    if SMALLEST <= side <= LARGEST and side % UNIT == 0:
        return ""
    return f"{side} px cannot be the side of a picture; take a multiple of {UNIT} from {SMALLEST} to {LARGEST}"


def _side(said: dict[str, str], name: str) -> int:
    if name not in said:
        return 0
    if not re.fullmatch(r"[0-9]{1,5}", said[name]) or side_refusal(int(said[name])):
        raise ValueError(
            f"'--{name} {said[name]}' cannot be the side of a picture; write a multiple of {UNIT} from {SMALLEST} to "
            f"{LARGEST}, such as --{name} 768"
        )
    return int(said[name])


def unknown_options(text: str) -> list[str]:
    """Words that look like an option and are none, such as "--s": they are drawn as words."""
    return [one for one in _OTHER.findall(text) if one not in _KNOWN]
