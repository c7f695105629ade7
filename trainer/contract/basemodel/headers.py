"""The header of a safetensors file, read with bounds: names, shapes, kinds, and whether it is as long as it says."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from trainer.contract.documents.regular import open_regular
from trainer.contract.documents.tensor_header import read_tensor_header
from trainer.contract.paths import os_words
from trainer.contract.units import plural

TRAINABLE = frozenset({"F16", "BF16", "F32", "F64"})
COUNTS = frozenset({"I64", "I32"})  # positions and the like, that no weight is
WORDS = 1 << 12  # letters of one entry of the metadata that are kept: headers are remembered
START = 64  # bytes at the start of a file that tell what else it may be
POINTER = "it is a git-lfs pointer and not the file itself: run 'git lfs pull' where it was cloned"

Shapes = dict[str, tuple[int, ...]]


@dataclass(frozen=True)
class TensorHeader:
    """What a file says of itself."""

    shapes: Shapes
    kinds: frozenset[str]  # of numbers: F16, BF16, F32, F8_E4M3 ...
    words: dict[str, str]  # its metadata

    @property
    def coarse(self) -> str:
        """The kinds of numbers that are too coarse to train on, such as "F8_E4M3"; empty where there are none."""
        return ", ".join(sorted(self.kinds - TRAINABLE - COUNTS))


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
    except FileNotFoundError:
        what = "it is a link that leads nowhere: copy the file that it stands for" if path.is_symlink() else "missing"
        raise BadHeader(what) from None
    except OSError as error:
        raise BadHeader(f"it cannot be read: {os_words(error)}") from None
    return _read(path, info.st_size, info.st_mtime_ns)


@lru_cache(maxsize=64)
def _read(path: Path, _size: int, _changed: int) -> TensorHeader:
    try:
        with os.fdopen(open_regular(path), "rb") as file:
            if what := not_weights(file.read(START)):
                raise BadHeader(what)
        found = read_tensor_header(path)
    except OSError as error:
        raise BadHeader(f"it cannot be read: {os_words(error)}") from None
    if found.value is None:
        raise BadHeader(found.reason)
    _check_length(found.value.wanted, found.value.there)
    return TensorHeader(
        {name: tuple(one["shape"]) for name, one in found.value.tensors.items()},
        frozenset(one["dtype"] for one in found.value.tensors.values()),
        {name: str(one)[:WORDS] for name, one in found.value.told.items()},
    )


def _check_length(wanted: int, there: int) -> None:
    if wanted != there:
        what = "cut short" if there < wanted else "longer than its header says"
        raise BadHeader(f"it is {what}: {plural(there, 'byte')} of tensors instead of {wanted:,}")


def not_weights(start: bytes) -> str:
    """What a file that begins so is in place of one with weights or a configuration; empty if nothing is against it."""
    if not start:
        return "it is empty"
    if start.startswith(b"version https://git-lfs"):
        return POINTER
    if start.lstrip().lower().startswith((b"<!doctype", b"<html", b"<?xml")):
        return "it is a web page and not the file itself: download it again, logged in where its page asks for that"
    return ""


def joined_shapes(paths: Iterable[Path]) -> Shapes:
    """The tensors of all these safetensors files; empty if there is none or one of them is bad."""
    found: Shapes = {}
    for path in paths:
        try:
            found.update(read_shapes(path))
        except BadHeader:
            return {}
    return found
