"""Makes text from outside (captions, file names, logs, model cards) safe to show on a terminal."""

from __future__ import annotations

import errno
import re
import shlex
from collections.abc import Sequence
from pathlib import Path

from trainer.contract.paths import can_see
from trainer.contract.paths import os_sentence as plain_sentence
from trainer.contract.paths import os_words as plain_words
from trainer.contract.run.program import COUNTERPART
from trainer.contract.run.rundir import home_folder
from trainer.contract.units import plural

__all__ = [
    "listed",
    "not_written",
    "os_sentence",
    "os_words",
    "plural",
    "safe_lines",
    "safe_text",
    "safe_toml",
    "shell_path",
    "show_path",
    "speakable",
]

_SPACES = dict.fromkeys(map(ord, "\t\n\r\u2028\u2029"), " ")
_PICTURES = {code: chr(0x2400 + code) for code in range(0x20)} | {0x7F: "\u2421"}  # ESC is shown as one glyph
_C1 = {code: f"\\x{code:02x}" for code in range(0x80, 0xA0)}
_BIDI = {code: f"\\u{code:04x}" for code in (0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A))}
_HIDDEN = {code: "" for code in (0xFEFF, *range(0xE0000, 0xE0080))}  # byte order mark, invisible tags
_RAW_BYTES = {code: f"\\x{code - 0xDC00:02x}" for code in range(0xDC80, 0xDD00)}  # surrogateescape: a file name's byte
_SURROGATES = dict.fromkeys(range(0xD800, 0xE000), "\ufffd")
_TABLE = {**_SURROGATES, **_RAW_BYTES, **_PICTURES, **_C1, **_BIDI, **_HIDDEN, **_SPACES}


def safe_text(value: object, limit: int | None = None) -> str:
    """`value` as one printable line: no control character, no bidi control, no lone surrogate.

    What is dangerous stays visible (ESC as ␛, a stray byte as \\xff); line ends and tabs become spaces.
    With `limit`, at most that many characters, the last of them … where something was cut.
    """
    text = value if isinstance(value, str) else str(value)
    if limit is not None and len(text) > 4 * limit:
        text = text[: 4 * limit]  # a log line of a megabyte costs no more than a short one
        return _shortened(text.translate(_TABLE) + "…", limit)
    return _shortened(text.translate(_TABLE), limit)


def safe_lines(value: object) -> list[str]:
    """`value` as printable lines, split at every line end (a carriage return too: progress bars use it)."""
    text = value if isinstance(value, str) else str(value)
    lines = [safe_text(line) for line in re.split(r"\r\n|\r|\n", text)]
    while lines and not lines[-1].strip():
        lines.pop()
    return lines


def listed(names: Sequence[str], most: int = 6) -> str:
    """Names as a sentence holds them: "a, b and c"; of many the first `most`, and how many more there are."""
    if len(names) > most + 1:
        return f"{', '.join(names[:most])} and {len(names) - most} more"
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def show_path(path: Path | str) -> str:
    """`path` for a screen or a message, with ~ for the home folder: others may read it."""
    text, home = str(path), str(home_folder())
    if home != "/" and (text == home or text.startswith(home + "/")):
        text = "~" + text[len(home) :]
    return safe_text(text)


def os_words(error: Exception, path: Path | None = None) -> str:
    """Why the system refused, in plain words that are safe to show; `path`: what the sentence is about."""
    return safe_text(plain_words(error, path, show_path))


def os_sentence(error: Exception) -> str:
    """The same as a sentence of its own, which names the place."""
    return safe_text(plain_sentence(error, show_path))


def not_written(path: Path, error: OSError, other: str = "name another place") -> str:
    """That `path` cannot be written, why, and what to do: `other`, where no room is missing."""
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    if error.errno == errno.ENOENT and can_see(path.parent):  # such as /proc
        return f"{show_path(path)} cannot be written: nothing can be made in '{show_path(path.parent)}'; {other}"
    return f"{show_path(path)} cannot be written: {os_words(error, path)}; {'make room' if full else other}"


def shell_path(path: Path | str) -> str:
    """`path` as a word of a command that a person copies: quoted where a shell would take it apart.

    What `safe_text` changes is another name than the file's: the command finds nothing then, and runs nothing else.
    """
    shown = show_path(path)
    home, rest = ("~/", shown[2:]) if shown.startswith("~/") else ("", shown)
    return home + shlex.quote(rest) if rest else shown


def speakable(text: str, coding: str | None) -> str:
    """`text` with a counterpart for each character that the `coding` of a stream (UTF-8 where it has none) lacks."""
    return text.encode(coding or "utf-8", COUNTERPART).decode(coding or "utf-8")


def safe_toml(written: str) -> str:
    """One line of TOML that can be both shown and pasted: what `safe_text` would change becomes an escape of TOML."""
    return "".join(one if one == safe_text(one) else _toml_escape(one) for one in written)


def _toml_escape(one: str) -> str:
    return f"\\u{ord(one):04x}" if ord(one) < 0x10000 else f"\\U{ord(one):08x}"


def _shortened(text: str, limit: int | None) -> str:
    if limit is None or len(text) <= limit:
        return text
    return text[: max(0, limit - 1)] + "…" if limit > 0 else ""
