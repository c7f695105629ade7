"""Values in the model card: one function for each place that they stand in, so that none of them gets out of it."""

from __future__ import annotations

import json
import re
from typing import Any

_MARKDOWN = re.compile(r"([\\`*_\[\]<>|~&#])")


def python(value: Any) -> str:
    """A literal of the script, without back quotes: three of them would end the card's block of code."""
    return repr(value).replace("`", r"\x60")


def yaml(text: str) -> str:
    """A scalar of the front matter: JSON's strings are YAML's, where they hold what can be printed and no pairs."""
    quoted = json.dumps(text, ensure_ascii=False)
    return "".join(letter if letter.isprintable() else _escaped(letter) for letter in quoted)


def markdown(text: str) -> str:
    """Words of a line, of a table's cell or of a picture's text; a line end becomes a space."""
    return _MARKDOWN.sub(r"\\\1", " ".join(text.split()))


def code(text: str) -> str:
    """Words that are copied out of a line: the fence is longer than any run of back quotes in them."""
    line = " ".join(text.split())
    fence = "`" * (max((len(one) for one in re.findall("`+", line)), default=0) + 1)
    room = " " if line.startswith("`") or line.endswith("`") else ""
    return f"{fence}{room}{line}{room}{fence}"


def _escaped(letter: str) -> str:
    number = ord(letter)
    return f"\\U{number:08X}" if number > 0xFFFF else f"\\u{number:04X}"
