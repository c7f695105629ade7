"""A comparison as aligned lines: the same for the screen and for `loratui diff`."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from typing import Literal

from loratui.results.comparison import Comparison, Difference
from loratui.terminal.text import safe_text

TITLE = 20  # cells
NARROWEST = 12

Style = Literal["head", "note", "row", "key"]
Line = tuple[Style, str]


def comparison_lines(found: Comparison, width: int, keys: bool = True) -> Iterator[Line]:
    """Three tables, then what to know when reading them; `width` is in cells, long values go on below.

    Only the names of the runs are cut to their column. With `keys`, a setting's dotted key stands below its title.
    """
    room = _room(width)
    yield from _row(("", safe_text(found.left, room), safe_text(found.right, room)), width, "head")
    unknown = "no picture differs" if found.pictures_known else "not known; see below"
    for title, rows, none in (
        ("settings", found.settings, "no setting differs"),
        ("pictures", found.pictures, unknown),
        ("results", found.results, "nothing that was measured differs"),
    ):
        yield ("head", title)
        if not rows:
            yield ("note", f"  {none}")
        for one in rows:
            yield from _difference(one, width, keys)
        yield ("note", "")
    yield ("head", "to know")
    for remark in found.remarks:
        yield from (("note", line) for line in _wrapped(f"  {remark}", width))


def _difference(one: Difference, width: int, keys: bool) -> Iterator[Line]:
    yield from _row((f"  {one.title}", one.left, one.right), width, "row")
    if keys and one.key and one.key != one.title:
        yield ("key", f"  {one.key}")


def _row(cells: tuple[str, str, str], width: int, style: Style) -> Iterator[Line]:
    each = _room(width)
    columns = [_wrapped(cell, room) for cell, room in zip(cells, (TITLE, each, each), strict=True)]
    for at in range(max(map(len, columns))):
        title, left, right = (column[at] if at < len(column) else "" for column in columns)
        yield (style, f"{title:<{TITLE}}  {left:<{each}}  {right}".rstrip())


def _room(width: int) -> int:
    return max(NARROWEST, (width - TITLE - 4) // 2)


def _wrapped(text: str, width: int) -> list[str]:
    lead = text[: len(text) - len(text.lstrip())]
    return textwrap.wrap(text, width, initial_indent="", subsequent_indent=lead) or [""]
