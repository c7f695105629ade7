"""Values in generated texts: one function for each language that they stand in, so that none gets out of its place.

All show what nobody sees (controls, escapes of terminals, marks that turn the reading direction) as the code of it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

import yaml

_MARKDOWN = re.compile(r"([\\`*_\[\]<>|~&#])")
_JOINERS = "\u200c\u200d"  # of emoji and of Persian words; they turn nothing
_ENDLESS = 1 << 30  # columns: a line that is broken is read as the same value, but by no person


class _Dumper(yaml.SafeDumper):
    """SafeDumper that quotes every text with something in it that nobody sees: only there escapes are escapes."""


_Dumper.add_representer(
    str,
    lambda dumper, text: dumper.represent_scalar(
        "tag:yaml.org,2002:str", text, style=None if text.isprintable() else '"'
    ),
)


def python(value: Any) -> str:
    """A literal of the script, without back quotes: three of them would end the card's block of code."""
    return repr(value).replace("`", r"\x60")


def front_matter(values: Mapping[str, Any]) -> str:
    """The head of the model card with its two lines of dashes: YAML that reads as exactly these values."""
    written = yaml.dump(dict(values), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=_ENDLESS)
    return f"---\n{_escaped(written, _yaml_code)}---\n"


def json_text(value: Any) -> str:
    """JSON with a line for each entry, in letters as they are where one sees them."""
    return _escaped(json.dumps(value, ensure_ascii=False, indent=1), _json_code) + "\n"


def markdown(text: str) -> str:
    """Words of a line, of a table's cell or of a picture's text; a line end becomes a space."""
    return _MARKDOWN.sub(r"\\\1", _one_line(text))


def code(text: str) -> str:
    """Words that are copied out of a line: the fence is longer than any run of back quotes in them."""
    line = _one_line(text)
    fence = "`" * (max((len(one) for one in re.findall("`+", line)), default=0) + 1)
    room = " " if not line or line.startswith("`") or line.endswith("`") else ""
    return f"{fence}{room}{line}{room if line else ''}{fence}"


def _one_line(text: str) -> str:
    return "".join(one if one.isprintable() or one in _JOINERS else python(one)[1:-1] for one in " ".join(text.split()))


def _escaped(written: str, escape: Any) -> str:
    """`written` with an escape for all that nobody sees but its line ends."""
    return "".join(one if one.isprintable() or one == "\n" else escape(one) for one in written)


def _yaml_code(letter: str) -> str:
    number = ord(letter)
    return f"\\U{number:08X}" if number > 0xFFFF else f"\\u{number:04X}"


def _json_code(letter: str) -> str:
    return json.dumps(letter)[1:-1]
