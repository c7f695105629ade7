"""Reads files that others wrote: regular ones only, up to a size, and the text of those whose encoding is plain."""

from __future__ import annotations

from trainer.contract.documents.parsers import UTF16 as UTF16
from trainer.contract.documents.parsers import as_text as as_text
from trainer.contract.documents.regular import read_regular as read_regular
from trainer.contract.settings.triggers import plain_width


def one_line(text: str) -> str:
    """The words of a caption: in one line, in letters of plain width."""
    return " ".join(plain_width(text).split())
