"""What the system knows of a disk beyond Python's own functions: room that is kept, two names exchanged in one step."""

from __future__ import annotations

import ctypes
import errno
import os
from functools import lru_cache
from typing import Any

FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EIO})  # a disk that takes no more, or is failing: it may pass
KEEP_SIZE = 1  # FALLOC_FL_KEEP_SIZE of linux/falloc.h: the file's length stays
EXCHANGE = 2  # RENAME_EXCHANGE of linux/fs.h


def is_full(error: BaseException) -> bool:
    """Whether it is the disk that takes no more, or fails, for now."""
    return isinstance(error, OSError) and error.errno in FULL


def keep_room(descriptor: int, start: int, length: int) -> None:
    """Have `length` bytes from `start` kept for a file, whose length stays as it is.

    Raises OSError: one of FULL where there is no room, another where the file system cannot do that.
    """
    function = _function("fallocate64", "fallocate")
    if function(descriptor, KEEP_SIZE, ctypes.c_int64(start), ctypes.c_int64(length)) != 0:
        raise _error()


def exchange(first: str, first_folder: int, second: str, second_folder: int) -> None:
    """Give two names, each in an open folder, each other's file or folder, in one step. Raises OSError.

    EINVAL, ENOSYS or ENOTSUP where the system or its file system cannot do that.
    """
    function = _function("renameat2")
    if function(first_folder, os.fsencode(first), second_folder, os.fsencode(second), EXCHANGE) != 0:
        raise _error()


def _function(*names: str) -> Any:
    """The first function of the C library that is there."""
    library = _library()
    for name in names:
        if (found := getattr(library, name, None)) is not None:
            return found
    raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))


def _error() -> OSError:
    number = ctypes.get_errno()
    return OSError(number, os.strerror(number))


@lru_cache(maxsize=1)
def _library() -> Any:
    return ctypes.CDLL(None, use_errno=True)
