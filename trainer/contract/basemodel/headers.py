"""The header of a safetensors file, read with bounds: names, shapes, kinds, and whether it is as long as it says."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

LIMIT = 100 << 20  # a header larger than this is refused, as safetensors itself does

Shapes = dict[str, tuple[int, ...]]


@dataclass(frozen=True)
class TensorHeader:
    """What a file says of itself."""

    shapes: Shapes
    kinds: frozenset[str]  # of numbers: F16, BF16, F32, F8_E4M3 ...
    words: dict[str, str]  # its metadata


class BadHeader(ValueError):
    """No safetensors file, or one that is cut short; the message has no file name, the caller knows it."""


def read_shapes(path: Path) -> Shapes:
    """Name -> shape of every tensor of a file that is whole. Raises BadHeader, never OSError."""
    return read_header(path).shapes


def read_header(path: Path) -> TensorHeader:
    """All that the header of a whole file says. Raises BadHeader, never OSError.

    A plan asks for the same headers many times: they are read anew only where size or time changed.
    """
    try:
        info = path.stat()
    except OSError as error:
        raise BadHeader(f"it cannot be read: {error.strerror}") from None
    return _read(path, info.st_size, info.st_mtime_ns)


@lru_cache(maxsize=64)
def _read(path: Path, size: int, _changed: int) -> TensorHeader:
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if length > min(LIMIT, size):
                raise BadHeader("it is no safetensors file, or its start is damaged")
            words = json.loads(file.read(length))
        said = words.pop("__metadata__", None) or {}
        _check_length(words, size - 8 - length)
        return TensorHeader(
            {name: tuple(map(int, one["shape"])) for name, one in words.items()},
            frozenset(str(one["dtype"]) for one in words.values()),
            {str(name): str(one) for name, one in said.items()},
        )
    except OSError as error:
        raise BadHeader(f"it cannot be read: {error.strerror}") from None
    except BadHeader:
        raise
    except (ValueError, KeyError, TypeError, AttributeError, IndexError):
        raise BadHeader("its header is damaged") from None


def _check_length(tensors: dict[str, Any], there: int) -> None:
    wanted = max((int(one["data_offsets"][1]) for one in tensors.values()), default=0)
    if wanted != there:
        what = "cut short" if there < wanted else "longer than its header says"
        raise BadHeader(f"it is {what}: {there} bytes of tensors in place of {wanted}")


def part_shapes(folder: Path) -> Shapes:
    """The tensors of all safetensors files of a folder; empty if there is none or one of them is bad."""
    found: Shapes = {}
    for path in sorted(folder.glob("*.safetensors")):
        try:
            found.update(read_shapes(path))
        except BadHeader:
            return {}
    return found
