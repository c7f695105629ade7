"""Parses JSON and TOML from outside: whatever stands there, the answer is a value of the wanted shape or a reason.

What would take long or much memory is refused before it is parsed, and what parses but breaks those who use it (depth,
numbers that are not finite or fit no machine word) right after. Of names that are given twice in JSON the last counts,
as for every program that reads these files.
"""

from __future__ import annotations

import codecs
import json
import math
import re
from typing import Any, TypeVar

from trainer.contract.documents.document import Document, unread
from trainer.contract.documents.toml_keys import TooMuch, key_places

T = TypeVar("T")
U = TypeVar("U")

MAX_DEPTH = 64  # levels of lists and objects in each other; what lies here has five
DEEP = f"it is nested deeper than {MAX_DEPTH} levels"
MAX_PARTS = 1_000_000  # values in one document: 60 to 100 bytes of memory each
MAX_BITS = 64  # of a whole number: hashes of pictures have as many
KIND_WORDS = {
    dict: "an object",
    list: "a list",
    str: "a text",
    int: "a number",
    float: "a number",
    bool: "true or false",
}
UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_ZEROS = str.maketrans("0123456789E", "0000000000e")
_SHORT = "0" * 19  # one digit fewer fits any machine word
_LONG = re.compile(r"(?<![.0-9])[0-9]{19}")
_PLACE = re.compile(r"line (\d+),? column \d+")


def as_text(raw: bytes) -> str:
    """`raw` as UTF-8, or as UTF-16 where it begins with that byte order mark. Raises UnicodeDecodeError."""
    return raw.decode("utf-16" if raw.startswith(UTF16) else "utf-8-sig")


def parse_json(raw: bytes | str, kind: type[T], constants: bool = False, parts: int = MAX_PARTS) -> Document[T]:
    """The JSON in `raw` if it is a `kind` (dict, list; object for any). `constants`: NaN and Infinity are taken."""
    text = _decoded(raw)
    if text.value is None:
        return text.refused()
    if sum(map(text.value.count, ",[{")) > parts:
        return unread(f"it holds more than {parts:,} values")
    try:
        found = json.loads(text.value)
    except Exception as error:  # RecursionError, MemoryError, ValueError of a long number: one answer to all of them
        return _trouble("JSON", error)
    simple = text.value.count("[") + text.value.count("{") < MAX_DEPTH and not has_long_number(text.value)
    return _fit(found, kind, constants, simple)


def parse_toml(raw: bytes | str) -> Document[dict[str, Any]]:
    """The tables of the TOML in `raw`."""
    import tomllib  # JSON alone is read at every start

    text = _decoded(raw)
    if text.value is None:
        return text.refused()
    if "\0" in text.value:
        return unread("it is not text")
    try:
        key_places(text.value)
        found = tomllib.loads(text.value.replace("\r\n", "\n"))
    except TooMuch as error:
        return unread(str(error))
    except Exception as error:  # as above; tomllib raises bare ValueError and RecursionError too
        return _trouble("TOML", error)
    return _fit(found, dict, constants=True)  # inf is a growth rate of Prodigy


def _decoded(raw: bytes | str) -> Document[str]:
    try:
        return Document(raw if isinstance(raw, str) else as_text(raw))
    except UnicodeDecodeError as error:
        return unread(f"it is not text in UTF-8 (byte {error.start})")


def _fit(found: Any, kind: type[T], constants: bool, simple: bool = False) -> Document[T]:
    if not isinstance(found, kind):
        wanted, there = (KIND_WORDS.get(one, "nothing") for one in (kind, type(found)))
        return unread(f"it holds {there} where {wanted} is expected")
    reason = "" if simple else misfit(found, constants)
    return unread(reason) if reason else Document(found)


def misfit(found: Any, constants: bool = False) -> str:
    """Why a value that parsed would break those who use it; empty if it would not."""
    level = [found]
    for _ in range(MAX_DEPTH):
        inner: list[Any] = []
        for one in level:
            if isinstance(one, dict):
                inner += one.values()
            elif isinstance(one, list):
                inner += one
            elif isinstance(one, float) and not (constants or math.isfinite(one)):
                return "it holds a number that is not finite"
            elif isinstance(one, int) and one.bit_length() > MAX_BITS:
                return "it holds a number that is too large"
        if not inner:
            return ""
        level = inner
    return DEEP


def has_long_number(text: str) -> bool:
    """Whether JSON may hold a number that is not finite or fits no machine word: told of nearly all at a glance."""
    flat = text.translate(_ZEROS)
    if any(one in flat for one in ("e000", "e+000", "NaN", "Infinity")):
        return True
    return _SHORT in flat and _LONG.search(text) is not None  # a fraction may have as many digits


def _trouble(form: str, error: Exception) -> Document[U]:
    match error:
        case RecursionError():
            return unread(DEEP)
        case MemoryError():
            return unread("it needs more memory than there is")
    whole = str(error)
    if "integer string" in whole:
        return unread("it holds a number that is too large")
    found = _PLACE.search(whole)
    at = f" ({found[0]})" if found else ""
    said = re.split(r":? (?:\(at )?line \d| \(at end", whole)[0] if isinstance(error, ValueError) else ""
    return Document(None, f"it is not valid {form}{at}", line=int(found[1]) if found else 0, said=said)
