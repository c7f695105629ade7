"""Reads tables of captions as people and programs write them: JSON lines, JSON, CSV with its separators, parquet."""

from __future__ import annotations

import csv
import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from trainer.contract.pictures.inside import open_inside, read_inside, why_not_inside
from trainer.contract.pictures.problems import outside_problem
from trainer.contract.pictures.regular import as_text
from trainer.contract.units import in_bytes, plural

MAX_BYTES = 64 * 1024 * 1024
MOST_LOST = 4  # times the file that are read in vain: what is never closed is read to the end
MOST_BAD = 1000  # rows that are no rows, after which a file is read no further
JSON = frozenset({".jsonl", ".json", ".ndjson", ".json1"})
SEPARATED = frozenset({".csv", ".tsv"})
PARQUET = ".parquet"
ENDINGS = JSON | SEPARATED | {PARQUET}
SEPARATORS = (",", ";", "\t")
FILE_COLUMNS = ("file_name", "filename", "file", "image", "image_name", "image_file", "path", "image_path", "file_path")
_DECODER = json.JSONDecoder()

Row = dict[str, object]


class Unreadable(ValueError):
    """The file is no table that can be read; `code` is the finding's, `remedy` what to do."""

    def __init__(self, code: str, message: str, remedy: str) -> None:
        super().__init__(message)
        self.code, self.remedy = code, remedy


@dataclass(frozen=True)
class Table:
    """The rows of a file with their line (of a JSON list: their place), and the lines that are no rows."""

    rows: tuple[tuple[int, Row], ...]
    bad: tuple[tuple[int, str], ...] = ()


def read_table(path: Path) -> Table:
    """All rows of `path`, by what its ending says. Raises Unreadable."""
    ending = path.suffix.lower()
    if what := why_not_inside(path):
        problem = outside_problem(path.name, path.name, what)
        raise Unreadable(problem.code, problem.message, problem.remedy)
    if ending == PARQUET:
        return _parquet(path)
    raw = read_inside(path, MAX_BYTES)
    if raw is None:
        said = f"{path.name} is larger than {in_bytes(MAX_BYTES)} or cannot be read"
        raise Unreadable("metadata-unreadable", said, "make it smaller, or readable")
    try:
        text = as_text(raw)
    except UnicodeDecodeError as error:
        said = f"{path.name} is not UTF-8 (byte {error.start})"
        raise Unreadable("caption-not-utf8", said, "save it as UTF-8") from None
    return _json(text, ending) if ending in JSON else _separated(text)


# -- JSON -------------------------------------------------------------------------------------------------------------


def _json(text: str, ending: str) -> Table:
    found, bad = _objects(text)
    if len(found) == 1 and ending != ".jsonl" and isinstance(found[0][1], dict):
        found = [(place, one) for place, one in enumerate(_opened(found[0][1]), 1)]
    rows = []
    for line, one in found:
        if isinstance(one, dict):
            rows.append((line, one))
        else:
            bad.append((line, "not a JSON object"))
    return Table(tuple(rows), tuple(sorted(bad)))


def _objects(text: str) -> tuple[list[tuple[int, Any]], list[tuple[int, str]]]:
    """Everything that stands in the text, with the line on which it begins; one list is opened.

    An object may span lines, as programs print it; where one is broken, the next line is tried.
    """
    found: list[tuple[int, Any]] = []
    bad: list[tuple[int, str]] = []
    at, line, seen, lost = 0, 1, 0, 0
    while (start := _next(text, at)) < len(text) and len(bad) < MOST_BAD and lost <= MOST_LOST * len(text):
        line += text.count("\n", seen, start)
        seen = start
        try:
            one, end = _DECODER.raw_decode(text, start)
            found.append((line, one))
            at = end
        except Exception as error:  # ValueError, RecursionError, MemoryError: whatever the decoder raises
            bad.append((line, "not a JSON object"))
            lost += getattr(error, "pos", start) - start
            end = text.find("\n", start)
            at = len(text) if end < 0 else end + 1
    if len(found) == 1 and isinstance(found[0][1], list):
        return list(enumerate(found[0][1], 1)), bad
    return found, bad


def _next(text: str, at: int) -> int:
    """The next place that is neither blank nor the comma between two objects."""
    found = re.compile(r"[\s,\ufeff]*").match(text, at)
    return at if found is None else found.end()


def _opened(whole: dict[str, Any]) -> Iterator[Row]:
    """The rows of one object: a row, a list under one name, or rows and captions keyed by the picture's name."""
    values = list(whole.values())
    lists = [one for one in values if isinstance(one, list) and one and all(isinstance(row, dict) for row in one)]
    if len(lists) == 1:
        yield from lists[0]
    elif values and all(isinstance(one, dict) for one in values):
        yield from ({FILE_COLUMNS[0]: name, **row} for name, row in whole.items())
    elif values and all(isinstance(one, str) for one in values) and file_column(tuple(whole)) is None:
        yield from ({FILE_COLUMNS[0]: name, "caption": words} for name, words in whole.items())
    else:
        yield whole


# -- separated values -------------------------------------------------------------------------------------------------


def _separated(text: str) -> Table:
    # csv and str.splitlines know more line ends than the programs that write such files
    text = text.replace("\r\n", "\n")
    text = text.replace("\r", " " if "\n" in text else "\n")
    lines = [f"{line}\n" for line in text.split("\n")]
    first = next((place for place, line in enumerate(lines) if line.strip()), 0)
    said = re.fullmatch(r"sep=(.)\n", lines[first])
    first += said is not None
    head = lines[first] if first < len(lines) else ""
    separator = said[1] if said else _separator(head)
    try:
        columns = _head(head, separator)
        reader = csv.reader(lines[first + 1 :], delimiter=separator, strict=True)
        rows = [(first + 1 + reader.line_num, row) for row in reader if any(one.strip() for one in row)]
    except csv.Error:
        rows = _line_by_line(lines, first + 1, separator)
    found: list[tuple[int, Row]] = []
    bad: list[tuple[int, str]] = []
    for line, row in rows:
        fields = _fitted(columns, row, separator)
        if fields is None:
            bad.append((line, f"{plural(len(row), 'field')} under {plural(len(columns), 'column')}; quote the caption"))
        else:
            found.append((line, dict(zip(columns, fields, strict=False))))
    return Table(tuple(found), tuple(bad[:MOST_BAD]))


def _head(line: str, separator: str) -> list[str]:
    try:
        names = next(csv.reader([line], delimiter=separator), [])
    except csv.Error:
        names = line.split(separator)
    return [one.strip() for one in names]


def _separator(head: str) -> str:
    """The one that makes a known column of the head, or else the most columns."""
    split = {one: _head(head, one) for one in SEPARATORS}
    return max(SEPARATORS, key=lambda one: (file_column(tuple(split[one])) is not None, len(split[one])))


def _line_by_line(lines: list[str], first: int, separator: str) -> list[tuple[int, list[str]]]:
    """Where quotes do not pair, one would swallow all rows up to the next: each line is read alone."""
    rows: list[tuple[int, list[str]]] = []
    for number, line in enumerate(lines[first:], first + 1):
        try:
            row = next(csv.reader([line], delimiter=separator), [])
        except csv.Error:
            row = line.rstrip("\n").split(separator)
        if any(one.strip() for one in row):
            rows.append((number, row))
    return rows


def _fitted(columns: list[str], row: list[str], separator: str) -> list[str] | None:
    """The row under the columns; a caption with separators that nobody quoted is put together again.

    That is plain where the surplus can only be the caption's: it is the last column, or one of two.
    """
    surplus = len(row) - len(columns)
    if surplus <= 0:
        return row
    if not any(one.strip() for one in row[len(columns) :]):
        return row[: len(columns)]  # empty columns that a spreadsheet left behind
    named = file_column(tuple(columns))
    if named is None or len(columns) < 2:
        return None
    if columns[-1] != named:
        return [*row[: len(columns) - 1], separator.join(row[len(columns) - 1 :])]
    return [separator.join(row[: surplus + 1]), row[-1]] if len(columns) == 2 else None


# -- parquet ----------------------------------------------------------------------------------------------------------


def _parquet(path: Path) -> Table:
    try:
        parquet = import_module("pyarrow.parquet")
    except ImportError:
        said = f"{path.name} cannot be read without pyarrow"
        raise Unreadable(
            "captions-unread", said, "pip install 'loratui[datasets]', or save it as metadata.csv"
        ) from None
    try:
        with open_inside(path) as opened:
            if os.fstat(opened.fileno()).st_size > MAX_BYTES:
                raise ValueError
            file = parquet.ParquetFile(opened)
            if sum(file.metadata.row_group(one).total_byte_size for one in range(file.num_row_groups)) > 4 * MAX_BYTES:
                raise ValueError
            names = [one.name for one in file.schema_arrow if str(one.type) in ("string", "large_string")]
            rows = file.read(columns=names).to_pylist()
    except Exception:  # pyarrow raises its own, and bare ones
        raise Unreadable("captions-unread", f"{path.name} cannot be read", "save it as metadata.csv") from None
    return Table(tuple(enumerate(rows, 1)))


def file_column(columns: tuple[str, ...]) -> str | None:
    """Which of `columns` names the picture, in any case of letters; None: no plain one."""
    folded = {one.strip().casefold().replace(" ", "_"): one for one in reversed(columns)}
    return next((folded[one] for one in FILE_COLUMNS if one in folded), None)
