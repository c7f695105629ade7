"""What an error of another library says, in one line."""

from __future__ import annotations


def first_line(error: BaseException, most: int = 300) -> str:
    """The first line of what an error says, cut to `most` letters; its kind where it says nothing."""
    return (str(error).strip() or type(error).__name__).splitlines()[0][:most]
