"""The name of a run, from words that a person wrote elsewhere."""

from __future__ import annotations

import re
import unicodedata

# letters that are no other letter with a mark
LETTERS = str.maketrans(
    {"ß": "ss", "ẞ": "SS", "æ": "ae", "Æ": "AE", "œ": "oe", "Œ": "OE", "ø": "o", "Ø": "O", "ł": "l", "Ł": "L"}
    | {"đ": "d", "Đ": "D", "ð": "d", "Ð": "D", "þ": "th", "Þ": "TH", "ı": "i"}
)


COPIES = ("cropped", "masked", "fixed")  # how the folder of copies that the wizard proposes ends, behind a "-"


def run_name(*words: str) -> str:
    """A name that can be a file's, from the first of `words` that holds a letter or a digit; "lora" if none does."""
    for one in words:
        plain = unicodedata.normalize("NFKD", one.translate(LETTERS))
        plain = "".join(char for char in plain if not unicodedata.combining(char))
        slug = re.sub(r"[^A-Za-z0-9_-]+", "-", plain).strip("-_")[:40]
        if slug:
            return slug
    return "lora"
