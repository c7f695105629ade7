"""Reads safetensors with torch, and puts what was saved into live tensors: of the same names and shapes or not at all.

torch tells what the system refuses as a RuntimeError: here it is an OSError.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open

from trainer.ground.error_line import first_line


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


@torch.no_grad()
def fill(live: dict[str, torch.Tensor], saved: dict[str, torch.Tensor]) -> None:
    """Put `saved` into `live`, by name. Raises OtherTensors where a name or a shape differs, before any is touched."""
    odd = [name for name, one in live.items() if name not in saved or saved[name].shape != one.shape]
    if odd:
        raise OtherTensors(f"tensors are missing or of another shape ({len(odd)}), such as {odd[0]}")
    for name, one in live.items():
        one.copy_(saved[name])
