"""Which caption a table has for which picture: the columns, the names, and what of it cannot be used."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from trainer.contract.pictures.problems import Problem
from trainer.contract.pictures.regular import one_line
from trainer.contract.pictures.tables import FILE_COLUMNS, Table, file_column
from trainer.contract.units import plural

TEXT_COLUMNS = ("prompt", "text", "caption", "captions", "description")
DEFAULT_COLUMN = TEXT_COLUMNS[0]
FEW = 5  # names that are told one by one
METADATA = ("metadata.jsonl", "metadata.csv")


@dataclass(frozen=True)
class TableCaptions:
    """The captions of a table by the picture's name; `column` is where they stand.

    `related`: whether the table names pictures of the folder at all.
    """

    captions: dict[str, str] = field(default_factory=dict)
    column: str = ""
    related: bool = False
    problems: tuple[Problem, ...] = ()
    needed: tuple[Problem, ...] = ()  # of rows: they are mild where every picture has its caption all the same


class PictureNames:
    """The pictures of `folder`, found by the names that rows give them."""

    def __init__(self, folder: Path, names: Iterable[str], levels: int = 0) -> None:
        """`levels`: how many folders above `folder` the table lies."""
        self._above = folder.resolve().parts
        self._levels = levels
        self._known = set(names)
        self._near: dict[str, list[str]] = {}
        self._stems: dict[str, list[str]] = {}
        for name in sorted(self._known):
            self._near.setdefault(_folded(name), []).append(name)
            self._stems.setdefault(_folded(PurePosixPath(name).stem), []).append(name)

    def find(self, named: str) -> str | None:
        """The picture that is meant: in other letters or without its ending only where that is one alone."""
        if named in self._known and not self._levels:
            return named
        place = PurePosixPath(named.replace("\\", "/"))
        before = tuple(one for one in place.parts[:-1] if one != ".")
        if (self._levels or before) and self._above[-len(before) :] != before:
            return None
        if self._levels and len(before) != self._levels:
            return None
        if place.name in self._known:
            return place.name
        for names in (self._near.get(_folded(place.name), []), self._stems.get(_folded(place.name), [])):
            if len(names) == 1:
                return names[0]
        return None


def leaves(named: str) -> bool:
    """Whether a row's name leads out of the folder (datasets#8324)."""
    place = PurePosixPath(named.replace("\\", "/"))
    return place.is_absolute() or ".." in place.parts or re.match(r"[A-Za-z]:", named) is not None


def captions_of(file: str, table: Table, names: PictureNames, column: str) -> TableCaptions:
    """What `table` says of the pictures. Rows of other pictures and rows without words are told."""
    columns = tuple(dict.fromkeys(key for _, row in table.rows[:1000] for key in row if isinstance(key, str)))
    where, what = file_column(columns), _text_column(columns, table, column)
    if table.rows and (where is None or what is None):
        related = where is not None and any(_names(row.get(where), names) for _, row in table.rows)
        return TableCaptions(related=related, problems=(_no_column(file, columns, where, column, table),))
    return _Reading(file, names, where or FILE_COLUMNS[0], what or column).read(table)


def _names(value: object, names: PictureNames) -> bool:
    return isinstance(value, str) and names.find(value) is not None


class _Reading:
    """One walk over the rows of a table."""

    def __init__(self, file: str, names: PictureNames, where: str, what: str) -> None:
        self._file, self._names, self._where, self._what = file, names, where, what
        self._captions: dict[str, str] = {}
        self._bad: list[tuple[int, str]] = []
        self._several: dict[str, int] = {}
        self._gone: list[str] = []
        self._outside: list[Problem] = []

    def read(self, table: Table) -> TableCaptions:
        self._bad += table.bad
        for line, row in table.rows:
            self._take(line, row)
        needed = [*_bad_rows(self._file, self._bad), *_without_picture(self._file, self._gone)]
        return TableCaptions(
            self._captions,
            self._what,
            bool(self._captions),
            (*self._outside, *_several(self._file, self._several)),
            tuple(needed),
        )

    def _take(self, line: int, row: dict[str, object]) -> None:
        named, words = row.get(self._where), row.get(self._what)
        if not isinstance(named, str) or not named.strip():
            self._bad.append((line, f"no text in the column '{self._where}'"))
            return
        if leaves(named):
            said = f"{self._file}:{line}: {named!r} leads out of the folder"
            self._outside.append(Problem(self._file, "metadata-outside", said, "name files of this folder only"))
            return
        texts = words if isinstance(words, list) else [words]
        if not texts or not all(isinstance(one, str) for one in texts):
            if self._what not in row or words is not None:
                self._bad.append((line, f"no text in the column '{self._what}'"))
            return
        picture = self._names.find(named)
        found = list(dict.fromkeys(text for one in texts if (text := one_line(str(one)))))
        if picture is None:
            self._gone.append(named)
        elif found:
            self._add(picture, found)

    def _add(self, picture: str, found: list[str]) -> None:
        first = self._captions.setdefault(picture, found[0])
        others = sum(one != first for one in found)
        if others:
            self._several[picture] = self._several.get(picture, 1) + others


def _text_column(columns: Collection[str], table: Table, asked: str) -> str | None:
    """The column asked for; where nobody asked, the only one that is called or filled like captions."""
    if asked in columns:
        return asked
    if asked != DEFAULT_COLUMN:
        return None
    where = file_column(tuple(columns))
    texts = [one for one in columns if one != where and _holds_text(table, one)]
    known = [one for one in texts if one.strip().casefold() in TEXT_COLUMNS]
    plain = known or texts
    return plain[0] if len(plain) == 1 else None


def _holds_text(table: Table, column: str) -> bool:
    values = [row.get(column) for _, row in table.rows[:1000]]
    return any(isinstance(one, str | list) for one in values)


def _no_column(file: str, columns: Collection[str], where: str | None, asked: str, table: Table) -> Problem:
    texts = tuple(one for one in columns if one != where and _holds_text(table, one))
    shown = ", ".join(columns) or "none"
    if where is None:
        said = f"{file} has no column '{FILE_COLUMNS[0]}'; its columns are {shown}"
        return Problem(file, "captions-unread", said, f"name the column of the pictures '{FILE_COLUMNS[0]}'")
    said = f"{file} has no column '{asked}'; its columns are {shown}"
    remedy = "set dataset.caption_column to the one that holds the captions"
    return Problem(file, "captions-unread", said, remedy, value=texts or None)


def _bad_rows(file: str, bad: list[tuple[int, str]]) -> Iterable[Problem]:
    if not bad:
        return
    line, why = min(bad)
    more = f" (and {len(bad) - 1} more: {', '.join(str(one) for one, _ in sorted(bad)[1:6])})" if bad[1:] else ""
    remedy = f'write {{"{FILE_COLUMNS[0]}": "a.jpg", "prompt": "..."}}'
    if file.endswith(".csv"):
        remedy = "fill it; quote captions with separators in them"
    yield Problem(file, "metadata-bad-row", f"{file}:{line}: {why}{more}", remedy, value=len(bad))


def _without_picture(file: str, gone: list[str]) -> Iterable[Problem]:
    remedy = "remove the row or put the picture back"
    names = list(dict.fromkeys(gone))
    for name in names if len(names) <= FEW else ():
        text = f"the metadata has a caption for {name!r}, but no such picture stands in the folder"
        yield Problem(name, "metadata-without-picture", text, remedy)
    if len(names) > FEW:
        shown = ", ".join(map(repr, names[:3]))
        text = f"{file} has captions for {plural(len(names), 'picture')} not in the folder: {shown} ..."
        yield Problem(file, "metadata-without-picture", text, "remove the rows or put the pictures back")


def _several(file: str, several: dict[str, int]) -> Iterable[Problem]:
    remedy = "leave one"
    for name, count in several.items() if len(several) == 1 else ():
        yield Problem(
            name, "caption-several", f"{file} has {plural(count, 'caption')} for it: the first is read", remedy
        )
    if len(several) > 1:
        text = f"{file} has several captions for each of {plural(len(several), 'picture')}: the first is read"
        yield Problem(file, "caption-several", text, remedy, value=len(several))


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()
