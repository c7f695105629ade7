"""A remedy names the field that it is about; it speaks of no line of a file, for most read it on a screen."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import loratui
import trainer
from trainer.contract.settings.config import BY_KEY

# what is put into a file, or said of one
OF_FILES = {"commands/import_.py", "curation/lines.py", "planning/prepared.py", "settings/toml_text.py"}
KEYS = "|".join(re.escape(key) for key in BY_KEY if "." in key)
LINE_OF_TOML = re.compile(rf"(?<![\w.])({KEYS}|\0) = |under \[\w|\[\w+\] \w+ = ")


def sentences(path: Path) -> Iterator[str]:
    """Every text in a module that is no docstring, what is put into one as \0."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    parts = {id(one) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for one in node.values}
    loose = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield "".join(str(one.value) if isinstance(one, ast.Constant) else _put_in(one) for one in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and not {id(node)} & (parts | loose):
            yield node.value


def _put_in(one: ast.expr) -> str:
    """A key's name as \0, anything else as a word."""
    return "\0" if isinstance(one, ast.FormattedValue) and ast.unparse(one.value) == "key" else "x"


def test_no_remedy_is_a_line_of_a_file() -> None:
    found, told = [], 0
    for package in (loratui, trainer):
        root = Path(str(package.__file__)).parent
        for path in root.rglob("*.py"):
            if path.relative_to(root).as_posix() not in OF_FILES:
                texts = list(sentences(path))
                told += len(texts)
                found += [(path.name, text) for text in texts if " " in text and LINE_OF_TOML.search(text)]
    assert told > 10_000 and found == []
