"""Opens safetensors with torch, which tells what the system refuses as a RuntimeError: here it is an OSError."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open

from trainer.ground.error_line import first_line


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
