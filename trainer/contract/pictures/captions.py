"""Finds the caption of each picture: the text file of its name, the metadata, and what other programs write."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path, PurePath
from typing import Literal

from trainer.contract.pictures.descriptions import INSIDE, words_inside
from trainer.contract.pictures.inside import stands
from trainer.contract.pictures.metadata import DEFAULT_COLUMN, METADATA, PictureNames, TableCaptions, captions_of
from trainer.contract.pictures.problems import Problem
from trainer.contract.pictures.regular import one_line
from trainer.contract.pictures.sidecars import KEYED, TextFile, TextFiles, read_text_file
from trainer.contract.pictures.tables import ENDINGS, FILE_COLUMNS, Unreadable, read_table
from trainer.contract.units import plural

MOST_TABLES = 20
WORDY = 4  # words from which a name reads like a caption
PROSE = r"(?i)(?:^|,? )(?:a|an|the|of|with|in) "  # a caption, and not only a file manager's or a photographer's name
ABOVE = 2  # folders above the pictures' own in which the metadata of a data set may lie
NOTES = frozenset({"fixed.json", "source.json"})  # what this program writes beside copies and data sets
LIKE_CAPTIONS = ("meta", "caption", "prompt")  # in the name of a table: it is missed where it cannot be read
OF_ROWS = frozenset(
    {
        "metadata-bad-row",
        "metadata-without-picture",
        "metadata-unreadable",
        "caption-not-utf8",
        "caption-outside",
        "captions-unread",
    }
)

CaptionSource = Literal["sidecar", "metadata", "none"]


@dataclass(frozen=True)
class Caption:
    """The words of one picture (None: the file has none), and the text file that holds them, if one does."""

    words: str | None
    source: CaptionSource
    file: Path | None = None


@dataclass(frozen=True)
class FolderCaptions:
    """The captions by the picture's name, for those that have one or a file for it, and what was wrong."""

    captions: dict[str, Caption]
    problems: tuple[Problem, ...]


def find_captions(folder: Path, names: list[str], wanted: list[str], column: str) -> FolderCaptions:
    """The captions of `wanted`, which are some of the pictures `names` of `folder`.

    A caption stands in the .txt of the picture's name, or else in the row of metadata.jsonl or metadata.csv. Where
    neither has one: in a .caption or .json of its name, in a folder captions, in the metadata of the data set's folder
    above, or in the only table of the folder that names it. `column` is that of the tables, or an ending of text files
    (.tags), or file_name: the name itself is the caption, or inside: the description in the picture's own file. A file
    is read only where a picture still needs it.
    """
    search = _Search(folder, names, wanted, column)
    search.text_files(own=True)
    for file in METADATA:
        search.table(folder / file, 0)
    search.text_files(own=False)
    for levels in range(1, ABOVE + 1):
        search.above(levels)
    search.other_tables()
    search.inside()
    search.names()
    search.unread()
    return search.result()


class _Search:
    """What was found so far, and which pictures still need a caption."""

    def __init__(self, folder: Path, names: list[str], wanted: list[str], column: str) -> None:
        asked = column.casefold() if column.startswith(".") else ""
        self._folder, self._names, self._column = folder, names, DEFAULT_COLUMN if asked else column
        self._entries = _listed(folder)
        self._files = TextFiles(folder, self._entries, names, asked)
        self._needy = list(wanted)
        self._found: dict[str, Caption] = {}
        self._problems: list[Problem] = []
        self._of_rows: list[Problem] = []
        self._from: Counter[str] = Counter()

    def text_files(self, own: bool) -> None:
        """The file of each picture's own; one without words is the end of the search as well."""
        for name in self._needy:
            file = self._files.own(name) if own else self._files.other(name)
            if file is not None:
                self._read(file, name)
        self._still()

    def _read(self, file: TextFile, name: str) -> None:
        words = read_text_file(file, self._folder, name, self._column, self._problems)
        keyed = file.path.suffix.lower() in KEYED
        if keyed and words is None:
            return
        self._found[name] = Caption(words, "metadata" if keyed else "sidecar", None if keyed else file.path)
        if file.kind:
            self._from[file.kind] += 1

    def table(self, path: Path, levels: int) -> None:
        """The metadata file that has the name for it."""
        if not self._needy or not stands(path):
            return
        found = self._captions(path, levels)
        if found is None or (levels and not found.captions):
            return
        self._take(path.name if not levels else "/".join([*[".."] * levels, path.name]), found, bool(levels))

    def above(self, levels: int) -> None:
        """The metadata of a data set that lies above its pictures, and names them with their folder."""
        place = self._folder.resolve()
        if len(place.parts) > levels:
            for file in METADATA:
                self.table(place.parents[levels - 1] / file, levels)

    def other_tables(self) -> None:
        """Tables of any name; several that do not agree are told and not read."""
        giving = {}
        for path in self._tables() if self._needy else ():
            found = self._captions(path, 0)
            if found is not None and set(found.captions) & set(self._needy):
                giving[path.name] = found
            elif found is not None and found.related:
                self._of_rows += [one for one in found.problems if one.code == "captions-unread"]
        unlike = _unlike(giving)
        if unlike:
            said = f"{', '.join(unlike)} have different captions for the same pictures: none of them is read"
            remedy = f"call the one that is meant metadata{PurePath(unlike[0]).suffix}"
            self._of_rows.append(Problem("", "captions-unread", said, remedy, value=unlike))
            return
        for name, found in giving.items():
            self._take(name, found, told=True)

    def inside(self) -> None:
        """Descriptions in the pictures' own files, where a person asked for them; else how many have one is said.

        The same words in all of several pictures are a camera's or a program's.
        """
        words = {name: text for name in self._needy if (text := words_inside(self._folder / name))}
        if self._column == INSIDE:
            self._found |= {name: Caption(text, "metadata") for name, text in words.items()}
            self._from["the pictures themselves"] += len(words)
            self._still()
            return
        if not words or (len(words) > 1 and len(set(words.values())) == 1):
            return
        carry = "picture carries a description inside" if len(words) == 1 else "pictures carry a description inside"
        said = f"{len(words)} {carry} ('{next(iter(words.values()))[:60]}'), not read; they have no other caption"
        remedy = f"read them? set dataset.caption_column to {INSIDE}; otherwise accept it"
        mild = 2 * len(words) <= len(self._names)
        self._of_rows.append(Problem("", "captions-unread", said, remedy, mild, (INSIDE,)))

    def names(self) -> None:
        """The names themselves, where a person asked for them; said where most of them read like captions."""
        words = {name: one_line(PurePath(name).stem.replace("_", " ")) for name in self._needy}
        if self._column == FILE_COLUMNS[0]:
            self._found |= {name: Caption(text or None, "metadata") for name, text in words.items()}
            self._from["the names of the pictures"] += len(words)
            self._still()
            return
        like = [name for name, text in words.items() if len(re.findall(r"[^\W\d_]+", text)) >= WORDY]
        if 2 * len(like) > len(self._names):
            what = f"the names of {plural(len(like), 'picture')}"
            said = f"{what} look like captions ('{words[like[0]][:60]}') and are not read"
            all_prose = len(like) == len(self._names) and all(re.search(PROSE, words[one]) for one in like)
            remedy = f"to read them, set dataset.caption_column to {FILE_COLUMNS[0]}"
            self._problems.append(Problem("", "captions-in-names", said, remedy, mild=not all_prose, value=len(like)))

    def unread(self) -> None:
        """Text files of the pictures' names with an ending that is not known."""
        found = Counter(one.kind for name in self._needy if (one := self._files.unknown(name)))
        for ending, count in found.most_common(3):
            files = "file carries a picture's name" if count == 1 else "files carry pictures' names"
            verb = "is" if count == 1 else "are"
            remedy = f"if they are captions, set dataset.caption_column to {ending}; otherwise accept it"
            said = f"{count} {ending} {files} and {verb} not read, and there is no other caption"
            self._of_rows.append(Problem("", "captions-unread", said, remedy, value=(ending,)))

    def _tables(self) -> list[Path]:
        stems = {PurePath(one).stem for one in self._names} | set(self._names)
        names = [one for one in self._entries if PurePath(one).suffix.lower() in ENDINGS and one not in METADATA]
        names = [one for one in names if PurePath(one).stem not in stems and one.lower() not in NOTES]
        names = [one for one in names if not one.startswith(".")]
        return [self._folder / one for one in sorted(names)[:MOST_TABLES] if stands(self._folder / one)]

    def _captions(self, path: Path, levels: int) -> TableCaptions | None:
        try:
            table = read_table(path)
        except Unreadable as error:
            if not levels and any(one in path.name.casefold() for one in LIKE_CAPTIONS):
                self._of_rows.append(Problem(path.name, error.code, str(error), error.remedy))
            return None
        return captions_of(path.name, table, PictureNames(self._folder, self._names, levels), self._column)

    def _take(self, file: str, found: TableCaptions, told: bool) -> None:
        new = {name: words for name, words in found.captions.items() if name in self._needy}
        self._found |= {name: Caption(words, "metadata") for name, words in new.items()}
        if told or (found.column != self._column and found.captions):
            self._from[f"the column '{found.column}' of {file}"] += len(new)
        if not told:
            self._of_rows += [*found.problems, *found.needed]
        else:
            self._problems += [one for one in found.problems if one.code == "caption-several"]
        self._still()

    def _still(self) -> None:
        self._needy = [one for one in self._needy if one not in self._found]

    def result(self) -> FolderCaptions:
        """What is wrong with rows is mild where every picture has its caption all the same."""
        rows = (replace(one, mild=one.mild or (not self._needy and one.code in OF_ROWS)) for one in self._of_rows)
        told = [_told(kind, count) for kind, count in self._from.items() if count]
        needy = set(self._needy)
        unread = [one for one in self._problems if one.code == "captions-unread" and one.file in needy]
        others = [one for one in self._problems if one.code != "captions-unread"]
        return FolderCaptions(self._found, (*rows, *others, *_unread(unread), *told))


def _told(kind: str, count: int) -> Problem:
    captions = "caption is" if count == 1 else "captions are"
    said = f"{count} {captions} read from {kind}"
    return Problem("", "captions-found", said, "nothing to do, if that is meant", mild=True, value=count)


def _unread(problems: list[Problem]) -> Iterable[Problem]:
    """Files of one kind that are not read are told once for the set."""
    if problems:
        columns = tuple(
            sorted({key for one in problems for key in (one.value if isinstance(one.value, tuple) else ())})
        )
        files = (
            ".json or .yaml file beside a picture has"
            if len(problems) == 1
            else ".json or .yaml files beside the pictures have"
        )
        said = f"{len(problems)} {files} words under {', '.join(columns[:6])}: it is not clear which are the caption"
        yield Problem("", "captions-unread", said, problems[0].remedy, value=columns)


def _unlike(giving: dict[str, TableCaptions]) -> tuple[str, ...]:
    """The tables of which two have different words for one picture."""
    first: dict[str, tuple[str, str]] = {}
    unlike: list[str] = []
    for file, found in giving.items():
        for name, words in found.captions.items():
            other, there = first.setdefault(name, (file, words))
            if there != words:
                unlike += [other, file]
    return tuple(dict.fromkeys(unlike))


def _listed(folder: Path) -> list[str]:
    try:
        return [one.name for one in folder.iterdir()]
    except OSError:
        return []
