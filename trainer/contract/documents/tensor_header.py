"""The header of a safetensors file as JSON, read with bounds: before any of it is parsed its size is known."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trainer.contract.documents.document import Document, unread
from trainer.contract.documents.parsers import parse_json
from trainer.contract.documents.regular import open_regular
from trainer.contract.units import in_bytes

LARGEST = 1 << 24  # bytes; SDXL's unet has 0.2 MB, a LoRA whose header tells all its captions one or two
METADATA = "__metadata__"
NONE = "it is not a safetensors file, or its start is damaged"


@dataclass(frozen=True)
class RawHeader:
    """The header of one file."""

    tensors: dict[str, dict[str, Any]]  # by name: dtype, shape, data_offsets
    told: dict[str, Any]  # its metadata; texts, as safetensors wants them, or what a file has in their place
    wanted: int  # bytes of tensors that stand behind it
    there: int  # bytes that do


def read_tensor_header(path: Path) -> Document[RawHeader]:
    """The header of `path`. Raises OSError, also for what is not a regular file."""
    with os.fdopen(open_regular(path), "rb") as file:
        size, start = os.fstat(file.fileno()).st_size, file.read(8)
        length = int.from_bytes(start, "little")
        if len(start) < 8 or not 2 <= length <= size - 8:
            return unread(NONE)
        if length > LARGEST:
            return unread(f"its header of {in_bytes(length)} is larger than {in_bytes(LARGEST)}")
        found = parse_json(file.read(length), dict)
    if found.value is None:
        return unread(f"its header is damaged: {found.reason}")
    tensors = {**found.value}
    told = tensors.pop(METADATA, None) or {}
    if not isinstance(told, dict) or not all(map(_is_tensor, tensors.values())):
        return unread("its header is damaged: it holds other things than tensors")
    wanted = max((one["data_offsets"][1] for one in tensors.values()), default=0)
    return Document(RawHeader(tensors, told, wanted, size - 8 - length))


def _is_tensor(one: Any) -> bool:
    if not isinstance(one, dict) or not isinstance(one.get("dtype"), str):
        return False
    shape, places = one.get("shape"), one.get("data_offsets")
    numbers = [*shape, *places] if isinstance(shape, list) and isinstance(places, list) and len(places) == 2 else [-1]
    return all(type(number) is int and number >= 0 for number in numbers)
