"""Files that are written piece by piece with their hash, and hashed again as they lie on disk."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path

from trainer.contract.documents.regular import open_regular
from trainer.contract.entries import open_file

Pieces = Iterable[bytes | memoryview]


def write_hashed(path: Path, content: Pieces, root: Path) -> str:
    """Write a new file and flush it to disk; returns the hash of what was written. Raises BadEntry, OSError."""
    digest = hashlib.sha256()
    with os.fdopen(open_file(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, root=root), "wb") as file:
        for piece in content:
            file.write(piece)
            digest.update(piece)
        file.flush()
        os.fsync(file.fileno())
    return digest.hexdigest()


def hash_of_pieces(content: Pieces) -> str:
    """The hash that a file of them would have."""
    digest = hashlib.sha256()
    for piece in content:
        digest.update(piece)
    return digest.hexdigest()


def hash_of(path: Path) -> str:
    """Of a file of a checkpoint as it lies on disk. Raises OSError."""
    with os.fdopen(open_regular(path, path.parents[2]), "rb") as file:  # the run's folder
        return hashlib.file_digest(file, "sha256").hexdigest()
