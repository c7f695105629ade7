"""Safetensors with torch: read, kept in caches, given piece by piece to be written, put into live tensors like them.

torch tells what the system refuses as a RuntimeError: here it is an OSError.
"""

from __future__ import annotations

import errno
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from trainer.contract.entries import make_private, write_atomic
from trainer.ground.error_line import first_line

# as a file names them, the widest first, which is the order in which their tensors lie in it
KINDS = {
    torch.int64: "I64",
    torch.float64: "F64",
    torch.float32: "F32",
    torch.int32: "I32",
    torch.bfloat16: "BF16",
    torch.float16: "F16",
    torch.int16: "I16",
    torch.int8: "I8",
    torch.uint8: "U8",
    torch.bool: "BOOL",
}


class OtherTensors(ValueError):
    """What was saved has not the names or shapes of what it is read into; `str()` is a sentence."""


@contextmanager
def opened_tensors(path: Path) -> Iterator[Any]:
    """A safetensors file, open on the CPU.

    Raises OSError for one that is missing or that the system does not let be read, SafetensorError for a damaged one.
    """
    try:
        file = safe_open(path, "pt")
    except RuntimeError as error:
        raise OSError(errno.EIO, first_line(error)) from None
    with file:
        yield file


def load_tensors(path: Path) -> dict[str, torch.Tensor]:
    """All tensors of a safetensors file, on the CPU. Raises as `opened_tensors` does."""
    with opened_tensors(path) as file:
        return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no mapping


def all_finite(tensors: Mapping[str, torch.Tensor]) -> bool:
    """Whether all their numbers are finite; where they lie on a GPU, the host waits for each."""
    return all(bool(one.isfinite().all()) for one in tensors.values())


def load_sound(path: Path) -> dict[str, torch.Tensor]:
    """As `load_tensors`; raises SafetensorError for numbers that are not finite too."""
    found = load_tensors(path)
    if not all_finite(found):
        raise SafetensorError("numbers that are not finite")
    return found


def keep_sound(path: Path, tensors: dict[str, torch.Tensor]) -> None:
    """Write tensors of the CPU into a cache that is its owner's; what is not finite or finds no room is made again."""
    if all_finite(tensors):
        with suppress(OSError):
            make_private(path.parent)
            write_atomic(path, save(tensors))


def pieces(tensors: dict[str, torch.Tensor]) -> Iterator[bytes | memoryview]:
    """The bytes of a safetensors file: its header, then the memory of each tensor (contiguous, on the CPU) itself.

    `safetensors.torch.save` gives the same bytes at once, and holds them twice for a moment: 3 GB more for the
    optimizer's state of a LoRA of rank 32 on every Linear. So it is done where a dtype has no name here.
    """
    kinds = list(KINDS)
    if any(one.dtype not in KINDS for one in tensors.values()):
        yield save(tensors)
        return
    ordered = sorted(tensors.items(), key=lambda one: (kinds.index(one[1].dtype), one[0].encode()))
    header, at = {}, 0
    for name, one in ordered:
        header[name] = {"dtype": KINDS[one.dtype], "shape": list(one.shape), "data_offsets": [at, at + one.nbytes]}
        at += one.nbytes
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    yield len(text).to_bytes(8, "little") + text
    for _, one in ordered:
        yield memoryview(one.detach().reshape(-1).view(torch.uint8).numpy())


@torch.no_grad()
def fill(live: dict[str, torch.Tensor], saved: dict[str, torch.Tensor]) -> None:
    """Put `saved` into `live`, by name. Raises OtherTensors where a name or a shape differs, before any is touched."""
    odd = [name for name, one in live.items() if name not in saved or saved[name].shape != one.shape]
    if odd:
        raise OtherTensors(f"tensors are missing or of another shape ({len(odd)}), such as {odd[0]}")
    for name, one in live.items():
        one.copy_(saved[name])
