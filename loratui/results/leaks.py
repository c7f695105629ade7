"""What must not be in a file that others will get: this machine's home and name, tokens, hidden metadata."""

from __future__ import annotations

import json
import os
import platform
import re
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from loratui.terminal.units import in_bytes
from trainer.contract.run.rundir import home_folder

HEADER = 100_000_000  # bytes; safetensors' own limit for a header
TEXT = 10_000_000  # bytes of a model card
TOKENS = re.compile(
    r"hf_[A-Za-z0-9]{20,}|gh[pousr]_[A-Za-z0-9]{20,}|github_pat_\w{20,}|sk-[A-Za-z0-9_-]{20,}|AKIA[A-Z0-9]{16}"
    r"|xox[abp]-[A-Za-z0-9-]{10,}|-----BEGIN [A-Z ]*PRIVATE KEY-----"
)
SECRETS = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "WANDB_API_KEY", "OPENAI_API_KEY", "AWS_SECRET_ACCESS_KEY")
# of a PNG: pixels and how to show them; tEXt, zTXt, iTXt, eXIf, tIME and whatever else tell of other things
PIXELS = frozenset((b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"gAMA", b"cHRM", b"sRGB", b"sBIT", b"pHYs"))


@dataclass(frozen=True)
class Leak:
    """One thing that was found; `host` alone may be a word of the person's own, and can be accepted."""

    code: str  # home, host, token, metadata, file
    message: str


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


def _safetensors(path: Path) -> tuple[list[Leak], dict[str, Any]]:
    size = path.stat().st_size
    with path.open("rb") as file:
        start = file.read(8)
        length = struct.unpack("<Q", start)[0] if len(start) == 8 else 0
        if not 2 <= length <= min(HEADER, size - 8):
            return [Leak("file", "no safetensors file")], {}
        raw = file.read(length)
    try:
        header = json.loads(raw)
        tensors = [one["data_offsets"][1] for name, one in header.items() if name != "__metadata__"]
        told = header.get("__metadata__", {})
        words = "\n".join([*map(str, header), *(f"{key}: {value}" for key, value in told.items())])
        ends = max(tensors, default=0)
    except (ValueError, TypeError, KeyError, IndexError, AttributeError):
        return [Leak("file", "its header is damaged")], {}
    found = _in_text(words)
    if ends != size - 8 - length:
        found.append(Leak("metadata", "it holds bytes that belong to no tensor"))
    return found, header


def _png(path: Path) -> list[Leak]:
    raw = path.read_bytes()
    if not raw.startswith(b"\x89PNG\r\n\x1a\n"):
        return [Leak("file", "no PNG picture")]
    found, place, kind = [], 8, b""
    while place + 8 <= len(raw) and kind != b"IEND":
        length, kind = struct.unpack(">I4s", raw[place : place + 8])
        if kind not in PIXELS:
            shown = kind.decode("ascii", "replace")
            found.append(Leak("metadata", f"the picture holds a part '{shown}' that is no pixels (EXIF, text or time)"))
        place += 12 + length
    if place != len(raw):
        found.append(Leak("metadata", "the file goes on after the end of the picture"))
    return found


def _in_text(text: str) -> list[Leak]:
    found = []
    home = str(home_folder())
    if len(home) > 1 and re.search(re.escape(home) + r"(?![A-Za-z0-9_-])", text):
        found.append(Leak("home", "it names the home folder of this machine"))
    elif re.search(r"(?<![\w.])/(home|Users)/[A-Za-z0-9._-]+", text):
        found.append(Leak("home", "it names a person's home folder (/home/... or /Users/...)"))
    host = platform.node()
    if host and re.search(rf"(?<![A-Za-z0-9]){re.escape(host)}(?![A-Za-z0-9])", text):
        found.append(Leak("host", "it names this machine"))
    known = [value for name in SECRETS if len(value := os.environ.get(name, "")) >= 8]
    if TOKENS.search(text) or any(value in text for value in known):
        found.append(Leak("token", "it holds what looks like a token or a key"))
    return found
