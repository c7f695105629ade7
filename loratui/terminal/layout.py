"""Lays text out for a width: a line that goes on below, a help text with keys in columns as long as they fit."""

from __future__ import annotations

import re
import shutil
import textwrap
from collections.abc import Iterable
from typing import TextIO

GAP = re.compile(r"(?<=\S)\s{2,}(?=\S)")
ENTRY = re.compile(r"  \S.*?\S?\s{2,}\S")  # of a help text: a key, and beside it what it does
SEAM = re.compile(r"(?<=[/_-])")  # where a word that has no room is broken
WIDTH = 80  # cells of a line that is wrapped, where nobody says how wide the terminal is
PASTED = re.compile(r"\s*(loratui |--set |\w+ = )")  # a command, options or a line of an answer file
COMMAND = re.compile(r"(?P<said>.*:) (?P<command>loratui .*)")  # words that end in one
Entry = tuple[str, str]  # what is pressed or named, and the words


def wrapped(line: str, width: int = WIDTH, indent: str = "", hang: int = 2, whole: bool = False) -> list[str]:
    """The line, broken between words, and where it is too long the rest below it, `hang` cells further in.

    `whole`: a word that is longer than a line is not broken either.
    """
    below = indent + " " * hang
    words = textwrap.TextWrapper(width, indent, below, break_on_hyphens=False, break_long_words=not whole)
    return words.wrap(line) or [""]


def fitted(lines: Iterable[str], width: int = WIDTH) -> list[str]:
    """Lines for `width` cells, broken between words alone; what is to be pasted stays whole, on a line of its own."""
    found = []
    for line in lines:
        lead = line[: len(line) - len(line.lstrip())]
        if len(line) <= width or PASTED.match(line):
            found.append(line)
        elif (ends := COMMAND.match(line)) is not None:
            found += [*wrapped(ends["said"].strip(), width, lead, whole=True), f"{lead}  {ends['command']}"]
        else:
            found += wrapped(line.strip(), width, lead, whole=True)
    return found


def on_terminal(text: str, stream: TextIO) -> str:
    """`text` as `fitted` lays it out where `stream` is a terminal; else as it is, for whoever reads it by lines."""
    if not stream.isatty():
        return text
    return "\n".join(fitted(text.splitlines(), shutil.get_terminal_size((WIDTH, 24)).columns))


def whole_words(text: str, width: int) -> str:
    """A sentence for a terminal of `width` cells: broken between words alone, so that a command can be copied."""
    return "\n".join(textwrap.wrap(text, width, break_long_words=False, break_on_hyphens=False))


def folded(text: str, width: int, hang: int = 0) -> str:
    """`text` in lines of `width` cells, those below the first `hang` cells further in.

    A word that is longer than a line, such as a path, goes on below after a slash, a hyphen or an underscore.
    """
    lines = [text[: len(text) - len(text.lstrip(" "))]]
    for word in text.lstrip(" ").split(" "):
        for place, part in enumerate(_parts(word, max(1, width - hang))):
            gap = " " if lines[-1].strip() else ""
            if place or len(lines[-1]) + len(gap) + len(part) > width:
                lines.append(" " * hang + part)
            else:
                lines[-1] += gap + part
    return "\n".join(lines)


def _parts(word: str, room: int) -> list[str]:
    if len(word) <= room:
        return [word]
    parts = [""]
    for piece in SEAM.split(word):
        for start in range(0, len(piece), room):
            one = piece[start : start + room]
            if len(parts[-1]) + len(one) > room:
                parts.append(one)
            else:
                parts[-1] += one
    return parts


def laid_out(text: str, width: int) -> str:
    """`text` for `width` cells.

    Lines that begin at the margin and hold no columns are paragraphs, which the terminal wraps. Blocks of others are
    kept where they fit; where they do not, each entry gets a line of its own, its words wrapped beside it.
    """
    found = []
    for block in re.split(r"\n\s*\n", text.strip("\n")):
        for lines in _alike(block.splitlines()):
            if not _has_columns(lines[0]):
                found.append(" ".join(line.strip() for line in lines))
            elif max(map(len, lines)) <= width:
                found += lines
            else:
                found += _wrapped(_entries(lines), width)
        found.append("")
    return "\n".join(found[:-1])


def without_keys(text: str, keys: frozenset[str]) -> str:
    """A help text without the entries for `keys`, named as the text names them; what stood to the right moves left.

    An entry begins two cells in; deeper lines below one that stood alone go on with it.
    """
    found, gone = [], False
    for line in text.splitlines():
        if not ENTRY.match(line):
            gone = gone and line.startswith("   ")
            found += [] if gone else [line]
            continue
        seams = [gap.end() for gap in GAP.finditer(line)]
        halves = [line[2 : seams[1]], line[seams[1] :]] if len(seams) == 3 else [line[2:]]
        kept = [half for half in halves if not set(re.split(r"[ ,]+", GAP.split(half)[0].strip())) <= keys]
        gone = not kept
        found += [("  " + "".join(kept)).rstrip()] if kept else []
    return "\n".join(found)


def _alike(lines: list[str]) -> list[list[str]]:
    """Neighbours that are all paragraph, or all columns."""
    groups: list[list[str]] = []
    for line in lines:
        if groups and _has_columns(groups[-1][0]) == _has_columns(line):
            groups[-1].append(line)
        else:
            groups.append([line])
    return groups


def _has_columns(line: str) -> bool:
    return line.startswith(" ") or GAP.search(line) is not None


def _entries(lines: list[str]) -> list[Entry]:
    """Those of the left column, then those of the right one; a line without a name goes on with the one before."""
    left: list[Entry] = []
    right: list[Entry] = []
    edge = min(len(line) - len(line.lstrip()) for line in lines)
    for line in lines:
        cells = GAP.split(line.strip())
        if len(line) - len(line.lstrip()) > edge:  # the words of the entry above go on, or the right column alone
            if len(cells) % 2 and left:
                left[-1] = (left[-1][0], f"{left[-1][1]} {cells.pop(0)}".strip())
            right += _pairs(cells)
        else:
            pairs = _pairs(cells)
            left += pairs[:1]
            right += pairs[1:]
    return left + right


def _pairs(cells: list[str]) -> list[Entry]:
    cells = [*cells, ""] if len(cells) % 2 else cells
    return list(zip(cells[::2], cells[1::2], strict=True))


def _wrapped(entries: list[Entry], width: int) -> list[str]:
    wide = min(max(len(name) for name, _ in entries), max(4, width // 3))
    lines = []
    for name, words in entries:
        head = f"  {name:<{wide}}  "
        lines += textwrap.wrap(head + words, max(width, len(head) + 4), subsequent_indent=" " * (wide + 4)) or [head]
    return lines
