"""Whether bytes that others will read name this machine."""

from __future__ import annotations

import os
import re


def names_the_host(raw: bytes) -> bool:
    """True where the host's name stands as a word in readable text.

    A host may be called "vm", two letters that weights, pixels and checksums hold by chance: what counts is the
    name between other than letters and digits, in a stretch of at least eight printable characters.
    """
    name = re.compile(rb"(?<![A-Za-z0-9])" + re.escape(os.uname().nodename.encode()) + rb"(?![A-Za-z0-9])")
    return any(name.search(text) for text in re.findall(rb"[ -~]{8,}", raw))
