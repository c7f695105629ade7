"""Text files that carry a picture's name: a.txt beside a.jpg, and what other programs write in its place."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path, PurePath

from trainer.contract.documents.parsers import parse_json
from trainer.contract.pictures.inside import read_inside, stands, why_not_inside
from trainer.contract.pictures.problems import Problem, outside_problem
from trainer.contract.pictures.regular import as_text, one_line
from trainer.contract.pictures.tables import ENDINGS as TABLES

MAX_CAPTION_BYTES = 64 * 1024
OWN_ENDING = ".txt"
OTHER_ENDINGS = (".caption", ".cap", ".text")
KEYED = (".json", ".yaml", ".yml")  # their words stand under names
FOLDERS = frozenset({"captions", "caption", "prompts", "text", "texts", "txt"})
TEXT_KEYS = ("caption", "prompt", "text", "description")
TAGS = "tags"


@dataclass(frozen=True)
class TextFile:
    """A file that holds the caption of one picture; `kind` is what the person is told of it, empty for a.txt."""

    path: Path
    kind: str = ""


class TextFiles:
    """The text files of a folder, found by the pictures' names in any case of letters."""

    def __init__(self, folder: Path, entries: Iterable[str], pictures: Collection[str], asked: str = "") -> None:
        """`asked`: the ending that a person named (.tags); it comes before all others."""
        self._folder, self._asked = folder, asked
        self._entries = _by_folded(entries)
        self._starting: dict[str, list[str]] = {}
        others = {one for names in self._entries.values() for one in names} - set(pictures)
        for name in sorted(others):
            self._starting.setdefault(PurePath(name).stem.casefold(), []).append(name)
        self._stems = _by_folded({PurePath(one).stem for one in pictures})
        below = sorted(one for names in self._entries.values() for one in names if one.casefold() in FOLDERS)
        self._below = [(one, _by_folded(_listed(folder / one))) for one in below]

    def own(self, picture: str) -> TextFile | None:
        """a.txt, a.TXT or a.jpg.txt; it comes before all metadata."""
        stem = PurePath(picture).stem
        if self._asked and (found := self._beside(picture, self._asked)):
            return TextFile(found, f"{self._asked} files")
        exact = self._folder / f"{stem}{OWN_ENDING}"
        if stands(exact):
            return TextFile(exact)
        named = self._beside(picture, OWN_ENDING)
        return None if named is None else TextFile(named)

    def other(self, picture: str) -> TextFile | None:
        """a.caption or a.json, or a text file in the folder captions; where neither .txt nor metadata has one."""
        stem = PurePath(picture).stem
        for ending in (*OTHER_ENDINGS, *KEYED):
            if found := self._beside(picture, ending):
                return TextFile(found, f"{ending} files")
        for name, entries in self._below:
            for ending in (OWN_ENDING, *OTHER_ENDINGS):
                if found := self._near(entries, self._folder / name, stem, ending):
                    return TextFile(found, f"files in {name}/")
        return None

    def unknown(self, picture: str) -> TextFile | None:
        """A text file of the picture's name with an ending that nobody read; its kind is the ending."""
        stem = PurePath(picture).stem
        known = {OWN_ENDING, *OTHER_ENDINGS, *KEYED, *TABLES}
        for start in (stem.casefold(), picture.casefold()):
            for name in self._starting.get(start, ()):
                ending = name[len(start) :]
                if ending.casefold() not in known and _is_prose(self._folder / name):
                    return TextFile(self._folder / name, ending)
        return None

    def _beside(self, picture: str, ending: str) -> Path | None:
        near = self._near(self._entries, self._folder, PurePath(picture).stem, ending)
        return near or self._file(self._entries, self._folder, f"{picture}{ending}")

    def _near(self, entries: dict[str, list[str]], folder: Path, stem: str, ending: str) -> Path | None:
        """The one file of this stem, in other letters only where one picture alone is meant by them."""
        alone = len(self._stems.get(stem.casefold(), [])) <= 1
        names = [one for one in entries.get(f"{stem}{ending}".casefold(), []) if alone or PurePath(one).stem == stem]
        exact = [one for one in names if PurePath(one).stem == stem]
        return self._one(folder, exact or names)

    def _file(self, entries: dict[str, list[str]], folder: Path, name: str) -> Path | None:
        return self._one(folder, entries.get(name.casefold(), []))

    def _one(self, folder: Path, names: list[str]) -> Path | None:
        return next((folder / one for one in sorted(names) if stands(folder / one)), None)


def read_text_file(file: TextFile, folder: Path, picture: str, column: str, problems: list[Problem]) -> str | None:
    """The caption in one line, or None for no words; what is wrong with the file goes to `problems`.

    `folder` is that of the pictures, which the file lies in.
    """
    raw = read_inside(file.path, MAX_CAPTION_BYTES, folder)
    if raw is None and (what := why_not_inside(file.path, folder)):
        problems.append(outside_problem(picture, file.path.name, what))
        return None
    if raw is None:
        text = f"{file.path.name} is larger than {MAX_CAPTION_BYTES // 1024} KiB or cannot be read"
        problems.append(Problem(picture, "caption-unreadable", text, "keep one short caption in it"))
        return None
    try:
        words = as_text(raw)
    except UnicodeDecodeError as error:
        text = f"{file.path.name} is not UTF-8 (byte {error.start})"
        problems.append(Problem(picture, "caption-not-utf8", text, "save it as UTF-8"))
        return None
    if file.path.suffix.lower() in KEYED:
        return _in_keys(file, picture, words, column, problems)
    return one_line(words) or None


def _in_keys(file: TextFile, picture: str, words: str, column: str, problems: list[Problem]) -> str | None:
    """The one entry that is plainly the caption: that of the caption column, or the only one of a known name."""
    whole = _json_or_yaml(words)
    known = whole if isinstance(whole, dict) else {}
    if isinstance(whole, str):
        return one_line(whole) or None
    texts = {key: text for key, value in known.items() if (text := _text_of(value))}
    plain = [key for key in TEXT_KEYS if key in texts] or [key for key in (TAGS,) if key in texts]
    if column in texts:
        return texts[column]
    if len(plain) == 1:
        return texts[plain[0]]
    if texts:
        columns = tuple(sorted(texts))
        text = f"{file.path.name} has words under {', '.join(columns[:6])}: it is not clear which are the caption"
        remedy = "set dataset.caption_column to the one that is meant"
        problems.append(Problem(picture, "captions-unread", text, remedy, value=columns))
    return None


def _json_or_yaml(words: str) -> object:
    """JSON, or of YAML the words that stand after a name in one line; None for what is neither."""
    found = parse_json(words, object, constants=True)
    if not found.reason:
        return found.value
    lines = re.findall(r"^(\w+):[ \t]+([^|>&*!{\[\s].*)$", words, re.MULTILINE)
    return {key: _unquoted(value.strip()) for key, value in lines}


def _unquoted(value: str) -> str:
    quoted = len(value) > 1 and value[0] == value[-1] and value[0] in "\"'"
    return value[1:-1] if quoted else value


def _is_prose(path: Path) -> bool:
    """Whether there is text in the file that begins like words: not like what cameras and editors write."""
    raw = read_inside(path, MAX_CAPTION_BYTES)
    try:
        words = as_text(raw or b"").strip()
    except UnicodeDecodeError:
        return False
    return "\0" not in words and not words.startswith(("<", "[", "{")) and re.search(r"[^\W\d_]{2}", words) is not None


def _text_of(value: object) -> str:
    """Words, or tags in a row; nothing of anything else."""
    if isinstance(value, list) and value and all(isinstance(one, str) for one in value):
        value = ", ".join(value)
    return one_line(value) if isinstance(value, str) else ""


def _by_folded(names: Iterable[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for one in names:
        found.setdefault(one.casefold(), []).append(one)
    return found


def _listed(folder: Path) -> list[str]:
    try:
        return [one.name for one in folder.iterdir()]
    except OSError:
        return []
