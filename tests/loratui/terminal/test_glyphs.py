"""One mark and one name for how grave something is: no part has a table or a spelling of its own."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from loratui.curation.groups import GLYPHS as OF_FINDINGS
from loratui.terminal.glyphs import GLYPHS, NAMES, marked

ROOT = Path(__file__).parents[3] / "loratui"
OWN = ROOT / "terminal" / "glyphs.py"
# a mark in letters, a name in capitals, a name after another mark or with another stop
OTHERWISE = re.compile(r"(x|\+|!|✗|✓) ?(ERROR|WARNING|NOT READY|OK|ok|look)\b|x error|! warning(?!:)|✗ error(?!:)")


def parts() -> Iterator[tuple[Path, ast.AST]]:
    for path in sorted(ROOT.rglob("*.py")):
        if path != OWN:
            yield from ((path, one) for one in ast.walk(ast.parse(path.read_text())))


def texts(node: ast.AST) -> Iterator[str]:
    yield from (one.value for one in ast.walk(node) if isinstance(one, ast.Constant) and isinstance(one.value, str))


def test_findings_have_the_marks_of_everything_else() -> None:
    assert set(OF_FINDINGS.values()) == {GLYPHS["bad"], GLYPHS["warn"], GLYPHS["info"]}
    assert len(set(GLYPHS.values())) == len(GLYPHS) and set(NAMES) < set(GLYPHS)
    assert (marked("warn", "a"), marked("bad", "a")) == ("! warning: a", "✗ error: a")


def test_there_is_no_second_table_of_marks() -> None:
    tables = [
        f"{path.relative_to(ROOT)}:{one.lineno}"
        for path, one in parts()
        if isinstance(one, ast.Dict)
        if {text[:1] for value in one.values for text in texts(value)} >= {GLYPHS["bad"], GLYPHS["warn"]}
    ]
    assert not tables


def test_no_line_spells_a_mark_or_its_name_in_another_way() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{one.lineno}: {one.value[:40]}"
        for path, one in parts()
        if isinstance(one, ast.Constant) and isinstance(one.value, str) and OTHERWISE.match(one.value.lstrip())
    ]
    begun = [  # f"x {...}" as a mark
        f"{path.relative_to(ROOT)}:{one.lineno}"
        for path, one in parts()
        if isinstance(one, ast.JoinedStr) and next(texts(one), "") in ("x ", "+ ")
        if isinstance(one.values[0], ast.Constant)
    ]
    assert not found and not begun
