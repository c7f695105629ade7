"""What is read from outside goes through `trainer.contract.documents`: no other module calls a parser on it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
READER = "trainer/contract/documents/"
PARSERS = {
    *(("json", name) for name in ("loads", "load", "JSONDecoder")),
    *(("tomllib", name) for name in ("loads", "load")),
    *(("tomlkit", name) for name in ("loads", "load", "parse")),
    *((one, name) for one in ("pickle", "torch", "yaml", "marshal") for name in ("load", "loads", "safe_load")),
}
# what is parsed elsewhere, and why that is no text from outside, or why the reader is no use for it
ELSEWHERE = {
    ("loratui/settings/shipped_presets.py", "tomllib.loads"): "ships with the package",
    ("trainer/demo/vocabulary.py", "json.loads"): "what a library has just written",
    ("trainer/export/files.py", "json.loads"): "a header that safetensors has just written",
    ("trainer/checkpoints/snapshot.py", "json.loads"): "the run's own identity, as JSON gives it back",
    ("trainer/contract/pictures/tables.py", "json.JSONDecoder"): "many objects in one text, with their lines",
}


def calls(path: Path) -> Iterator[str]:
    """Each mention of a parser in a module, as json.loads."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            if (node.value.id, node.attr) in PARSERS:
                yield f"{node.value.id}.{node.attr}"
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{one.name}" for one in node.names if (node.module, one.name) in PARSERS)


def test_no_other_module_parses_what_comes_from_outside() -> None:
    files = [path for package in ("loratui", "trainer") for path in (ROOT / package).rglob("*.py")]
    names = {path: str(path.relative_to(ROOT)) for path in files}
    found = {(name, call) for path, name in names.items() if not name.startswith(READER) for call in calls(path)}
    assert found == set(ELSEWHERE)


def test_a_call_would_be_found() -> None:
    assert set(calls(ROOT / READER / "parsers.py")) == {"json.loads", "tomllib.loads"}
    assert set(calls(ROOT / READER / "json_lines.py")) == {"json.loads"}
