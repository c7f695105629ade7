"""Files as someone else's hand could have made them: cut, flipped, swapped, overgrown, of other types and encodings."""

from __future__ import annotations

import json
import random
import struct
from collections.abc import Callable
from typing import Any

HOSTILE_TEXT = (
    "",
    "\x00",
    "\x1b]52;c;QQ==\x07\x1b[31m",
    "\u202e\u2066\ufeff",
    "\ud800",
    "[@click=app.quit()]x[/]",
    "../../../etc/passwd",
    "/proc/self/environ",
    "a" * 70_000,
    "a." * 3_000 + "a",
    "1" * 400,
    "nan",
    "{}%s%n${HOME}",
    '"\n]}\\',
)
HOSTILE_VALUES: tuple[Any, ...] = (
    None,
    True,
    0,
    -1,
    1 << 70,
    10**400,
    1e308,
    float("nan"),
    float("inf"),
    [],
    {},
    [[]],
    [None] * 50,
    {"": {"": 1}},
    *HOSTILE_TEXT,
)
HOSTILE_BYTES = (
    b"\x00",
    b"\xff\xfe",
    b"\xef\xbb\xbf",
    b"\xed\xa0\x80",
    b"\x80",
    b"\r",
    b"\x0b\x0c\x1c\x85",
    b"\xe2\x80\xa8",
    b"\x1b[2J",
    b"[" * 3_000,
    b'{"a":' * 3_000,
    b"a." * 3_000,
    b"9" * 400,
    b"1e999",
    b"NaN",
    b'"',
    b"'''",
    b",",
    b";",
    b"=",
    b"\n[[",
)


def mutated(whole: bytes, rng: random.Random) -> bytes:
    """One to three changes of the bytes, whatever they mean."""
    data = bytearray(whole)
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        rng.choice(BLIND)(data, rng)
    return bytes(data)


def _flip(data: bytearray, rng: random.Random) -> None:
    for _ in range(rng.choice((1, 1, 4, 32)) if data else 0):
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)


def _cut(data: bytearray, rng: random.Random) -> None:
    del data[rng.randrange(len(data) + 1) :]


def _drop(data: bytearray, rng: random.Random) -> None:
    at = rng.randrange(len(data) + 1)
    del data[at : at + rng.choice((1, 2, 16, 400))]


def _again(data: bytearray, rng: random.Random) -> None:
    at = rng.randrange(len(data) + 1)
    data[at:at] = data[at : at + rng.choice((1, 8, 200))] * rng.choice((1, 3, 40))


def _put(data: bytearray, rng: random.Random) -> None:
    at = rng.choice((0, len(data), rng.randrange(len(data) + 1)))
    data[at:at] = rng.choice(HOSTILE_BYTES)


def _noise(data: bytearray, rng: random.Random) -> None:
    at = rng.randrange(len(data) + 1)
    data[at : at + 8] = rng.randbytes(rng.choice((1, 8, 64)))


BLIND: tuple[Callable[[bytearray, random.Random], None], ...] = (_flip, _cut, _drop, _again, _put, _noise)


def json_mutated(whole: bytes, rng: random.Random) -> bytes:
    """A JSON document of the same shape with hostile values, or with its bytes changed."""
    if rng.random() < 0.4:
        return mutated(whole, rng)
    value = _replaced(json.loads(whole), rng)
    return json.dumps(value, ensure_ascii=rng.random() < 0.5).encode("utf-8", "surrogatepass")


def lines_mutated(whole: bytes, rng: random.Random) -> bytes:
    """JSON lines of which one is hostile."""
    if rng.random() < 0.4:
        return mutated(whole, rng)
    lines = whole.splitlines()
    at = rng.randrange(len(lines))
    lines[at] = json_mutated(lines[at], rng)
    return b"\n".join(lines)


def _replaced(value: Any, rng: random.Random) -> Any:
    """The value with one node, anywhere in it, put in another's place; or a key, or a new one."""
    if isinstance(value, dict) and value and rng.random() < 0.8:
        key = rng.choice(sorted(value, key=str))
        if rng.random() < 0.15:
            return {**value, rng.choice(HOSTILE_TEXT): value[key]}
        return {**value, key: _replaced(value[key], rng)}
    if isinstance(value, list) and value and rng.random() < 0.8:
        at = rng.randrange(len(value))
        return [*value[:at], _replaced(value[at], rng), *value[at + 1 :]]
    return rng.choice(HOSTILE_VALUES)


def toml_mutated(whole: bytes, rng: random.Random) -> bytes:
    """A TOML file of which one value is hostile, or with its bytes changed."""
    lines = whole.decode().splitlines()
    places = [number for number, line in enumerate(lines) if " = " in line]
    if rng.random() < 0.4 or not places:
        return mutated(whole, rng)
    at = rng.choice(places)
    key = lines[at].partition(" = ")[0]
    if rng.random() < 0.15:
        key = rng.choice(("a." * 3_000 + "a", '""', '"\\u0000"', "train", "dataset.path.x"))
    lines[at] = f"{key} = {toml_value(rng)}"
    return "\n".join(lines).encode("utf-8", "surrogatepass")


def toml_value(rng: random.Random) -> str:
    """A hostile value as TOML writes it, or nearly."""
    value = rng.choice(HOSTILE_VALUES)
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return "{ a = { b = 1 } }"
    return "2026-11-26" if value is None else json.dumps(value)


def tensors_mutated(whole: bytes, rng: random.Random) -> bytes:
    """A safetensors file with a hostile header, a header of another length, or changed bytes."""
    if rng.random() < 0.3 or len(whole) < 8:
        return mutated(whole, rng)
    (length,) = struct.unpack("<Q", whole[:8])
    header, data = whole[8 : 8 + length], whole[8 + length :]
    if rng.random() < 0.3:
        length = rng.choice((0, 1, length - 1, length + 1, 1 << 20, 1 << 31, (1 << 63) - 1, (1 << 64) - 1))
    else:
        header = json_mutated(header, rng)
        length = len(header)
    return struct.pack("<Q", length) + header + data
