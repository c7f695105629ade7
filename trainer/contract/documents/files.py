"""Reads small files from outside: the one way to their JSON and TOML."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar

from trainer.contract.documents.document import Document
from trainer.contract.documents.parsers import MAX_PARTS, parse_json, parse_toml
from trainer.contract.documents.regular import read_bytes

T = TypeVar("T")
LIMIT = 1 << 21  # bytes; what a person or a program writes by the page is far below


def read_json(
    path: Path,
    kind: type[T],
    limit: int = LIMIT,
    root: Path | None = None,
    constants: bool = False,
    parts: int = MAX_PARTS,
) -> Document[T]:
    """The JSON of a regular file of at most `limit` bytes if it is a `kind` (dict or list).

    `root`: the folder from which on no name may be a link, as in `read_bytes`; `constants`: NaN and Infinity count;
    `parts`: values that it may hold.
    """
    raw = read_bytes(path, limit, root)
    return raw.refused() if raw.value is None else parse_json(raw.value, kind, constants, parts)


def shipped_json(path: Path) -> dict[str, Any]:
    """The JSON object of a file that ships with loratui. Raises RuntimeError where the package is damaged."""
    found = read_json(path, dict)
    if found.value is None:
        raise RuntimeError(f"loratui is not whole, install it again: {path.name}: {found.reason}")
    return found.value


def read_toml(path: Path, limit: int = LIMIT, root: Path | None = None) -> Document[dict[str, Any]]:
    """The tables of a TOML file of at most `limit` bytes; `root` as in `read_json`."""
    raw = read_bytes(path, limit, root)
    return raw.refused() if raw.value is None else parse_toml(raw.value)
