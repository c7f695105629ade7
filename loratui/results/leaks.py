"""What must not be in a file that others will get: secrets, people, this machine, hidden metadata; and where it is."""

from __future__ import annotations

import base64
import re
import struct
import zlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from loratui.results.leak_patterns import Code, Machine, telltales
from loratui.terminal.units import in_bytes
from trainer.contract.documents.parsers import parse_json
from trainer.contract.documents.tensor_header import METADATA, read_tensor_header

TEXT = 10_000_000  # bytes of a model card
DEEPEST = 20  # levels of JSON in JSON
NEW_LINE = "\n"
UNPACKED = 1 << 20  # bytes of a picture's compressed text that are read
SHOWN = 3  # of one kind in one file; the rest is counted
# of a PNG: pixels and how to show them; tEXt, zTXt, iTXt, eXIf, tIME and whatever else tell of other things
PIXELS = frozenset((b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"gAMA", b"cHRM", b"sRGB", b"sBIT", b"pHYs"))
PICTURE = re.compile(r"data:image/[\w.+-]{1,40};base64,([A-Za-z0-9+/=]*)")
BESIDE_PIXELS = (b"Exif\0", b"http://ns.adobe.com/", b"Photoshop 3.0", b"eXIf", b"tEXt", b"iTXt", b"zTXt")
GPS = 0x8825  # EXIF's tag of where a picture was taken
FINAL: frozenset[Code] = frozenset({"metadata", "file"})  # of a file that is not what an export writes: made anew


@dataclass(frozen=True)
class Leak:
    """One thing that was found; what stands in words may be meant, and can be accepted."""

    code: Code
    message: str

    @property
    def acceptable(self) -> bool:
        """Whether a person may send it all the same."""
        return self.code not in FINAL


def looked_through(path: Path) -> tuple[list[Leak], dict[str, Any]]:
    """What must not be there, and (of a safetensors file) its header. Raises OSError."""
    match path.suffix:
        case ".safetensors":
            return _safetensors(path)
        case ".png":
            return _png(path), {}
        case _:
            if path.stat().st_size > TEXT:
                return [Leak("file", f"larger than {in_bytes(TEXT)}, which no model card is")], {}
            return _in_text(path.read_bytes().decode("utf-8", "replace")), {}


def _in_text(text: str) -> list[Leak]:
    """Of a text file, with the line; of JSON also what its escapes stand for."""
    return _found([("", text), *(("its JSON", one) for one in _strings(text) if one != text)])


def _found(places: list[tuple[str, str]]) -> list[Leak]:
    """What stands in each of the texts, the first of the same, with its place (none: the line); a few of each kind."""
    where: dict[tuple[Code, str], str] = {}
    machine = Machine.here()
    for place, text in places:
        for one in telltales(text, machine):
            where.setdefault((one.code, one.said), place or f"line {text.count(NEW_LINE, 0, one.at) + 1}")
    kinds: dict[Code, list[Leak]] = {}
    for (code, said), place in where.items():
        kinds.setdefault(code, []).append(Leak(code, f"{said} ({place})"))
    leaks: list[Leak] = []
    for code, found in kinds.items():
        leaks += found[:SHOWN]
        leaks += [Leak(code, f"and {len(found) - SHOWN} more of the kind '{code}'")] if len(found) > SHOWN else []
    return leaks


def _strings(value: Any, deeper: int = DEEPEST) -> Iterator[str]:
    """Every text in a value of JSON, names too; a text that is JSON itself is opened."""
    if isinstance(value, dict):
        for key, one in value.items():
            yield str(key)
            yield from _strings(one, deeper - 1) if deeper else ()
    elif isinstance(value, list):
        for one in value if deeper else ():
            yield from _strings(one, deeper - 1)
    elif isinstance(value, str):
        opened = None
        if value.lstrip()[:1] in ("{", "[") and deeper:
            opened = parse_json(value, object, constants=True).value
        if isinstance(opened, dict | list):
            yield from _strings(opened, deeper - 1)
        else:
            yield value


# -- safetensors ------------------------------------------------------------------------------------------------------


def _safetensors(path: Path) -> tuple[list[Leak], dict[str, Any]]:
    header = read_tensor_header(path)
    if header.value is None:
        return [Leak("file", header.reason)], {}
    told = header.value.told
    places = [("a tensor's name", "\n".join(header.value.tensors))]
    for key, value in told.items():
        words = PICTURE.sub("", value) if isinstance(value, str) else value
        places.append((f"{key} of its header", "\n".join([key, *_strings(words)])))
    found = _found(places)
    if any(_has_more_than_pixels(one) for one in told.values() if isinstance(one, str)):
        found.append(Leak("metadata", "the picture in its header holds more than pixels (EXIF or text)"))
    if header.value.wanted != header.value.there:
        found.append(Leak("metadata", "it holds bytes that belong to no tensor"))
    return found, {**header.value.tensors, METADATA: told}


def _has_more_than_pixels(value: str) -> bool:
    for found in PICTURE.finditer(value):
        try:
            raw = base64.b64decode(found[1])
        except ValueError:
            return True  # nobody knows what it holds
        if any(mark in raw for mark in BESIDE_PIXELS):
            return True
    return False


# -- pictures ---------------------------------------------------------------------------------------------------------


def _png(path: Path) -> list[Leak]:
    raw = path.read_bytes()
    if not raw.startswith(b"\x89PNG\r\n\x1a\n"):
        return [Leak("file", "not a PNG picture")]
    found, place, kind, texts = [], 8, b"", []
    while place + 8 <= len(raw) and kind != b"IEND":
        length, kind = struct.unpack(">I4s", raw[place : place + 8])
        if kind not in PIXELS:
            part = raw[place + 8 : place + 8 + length]
            shown = kind.decode("ascii", "replace")
            what = "where it was taken (GPS), and more" if kind == b"eXIf" and _has_gps(part) else "EXIF, text or time"
            found.append(Leak("metadata", f"the picture holds a part '{shown}' that is not pixels ({what})"))
            texts.append((f"its part '{shown}'", _text_of(kind, part)))
        place += 12 + length
    if place != len(raw):
        found.append(Leak("metadata", "the file goes on after the end of the picture"))
    return found + _found(texts)


def _text_of(kind: bytes, part: bytes) -> str:
    """What can be read in a part of a PNG, unpacked where it is packed."""
    name, _, rest = part.partition(b"\0")
    packed = rest[1:] if kind == b"zTXt" else b""
    if kind == b"iTXt" and rest[:1] == b"\1":
        packed = rest[2:].split(b"\0", 2)[-1]
    if packed:
        with suppress(zlib.error):
            part = name + b"\n" + zlib.decompressobj().decompress(packed, UNPACKED)
    return part.decode("utf-8", "replace").replace("\0", "\n")


def _has_gps(exif: bytes) -> bool:
    """Whether EXIF (TIFF's layout) has an entry that leads to a place."""
    order = {b"II": "<", b"MM": ">"}.get(exif[:2], "")
    if not order or len(exif) < 10:
        return False
    (start,) = struct.unpack(f"{order}I", exif[4:8])
    if start + 2 > len(exif):
        return False
    (count,) = struct.unpack(f"{order}H", exif[start : start + 2])
    tags = (exif[at : at + 2] for at in range(start + 2, min(start + 2 + 12 * count, len(exif) - 1), 12))
    return any(struct.unpack(f"{order}H", tag)[0] == GPS for tag in tags)
