"""The name of a run, from words that a person wrote elsewhere."""

from __future__ import annotations

import re


def run_name(*words: str) -> str:
    """A name that can be a file's, from the first of `words` that holds a letter or a digit; "lora" if none does."""
    for one in words:
        slug = re.sub(r"[^A-Za-z0-9_-]+", "-", one).strip("-_")[:40]
        if slug:
            return slug
    return "lora"
