"""Digests of what decides a result: of files, remembered while they do not change, and of loaded weights."""

from __future__ import annotations

import contextlib
import hashlib
import json
from pathlib import Path
from typing import Any

import torch
from torch import nn

from trainer.contract.pictures.sources import cache_folder
from trainer.contract.run.rundir import make_private, write_atomic


def file_digest(path: Path) -> str:
    """sha256 of a file; read again only where size, time or place changed since the last time."""
    info = path.stat()
    seen = [info.st_size, info.st_mtime_ns, info.st_ctime_ns, info.st_ino]
    folder = cache_folder() / "digests"
    note = folder / f"{hashlib.blake2b(str(path.resolve()).encode(), digest_size=16).hexdigest()}.json"
    try:
        known = json.loads(note.read_bytes())
        if known["seen"] == seen:
            return str(known["sha256"])
    except (OSError, ValueError, KeyError, TypeError):
        pass
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    with contextlib.suppress(OSError):  # it is read again the next time
        make_private(folder)
        write_atomic(note, json.dumps({"seen": seen, "sha256": digest}))
    return digest


def files_digest(files: list[Path], precision: str) -> str:
    """A digest of the contents of `files` and of the precision they are loaded in."""
    words = [precision, *(f"{path.name} {file_digest(path)}" for path in sorted(files))]
    return hashlib.blake2b("\n".join(words).encode(), digest_size=16).hexdigest()


def weights_digest(module: nn.Module, dtype: torch.dtype | None = None) -> str:
    """A digest of every parameter and buffer of a loaded module, as they are or, all of them, in `dtype`."""
    digest = hashlib.blake2b(digest_size=16)
    for name, own in sorted(module.state_dict().items()):
        tensor = own if dtype is None else own.to(dtype)
        digest.update(f"{name}{tuple(tensor.shape)}{tensor.dtype}".encode())
        digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def words_digest(words: Any) -> str:
    """A digest of something that JSON can hold."""
    return hashlib.blake2b(json.dumps(words, sort_keys=True).encode(), digest_size=16).hexdigest()
