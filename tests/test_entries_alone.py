"""Nobody but `trainer.contract.entries` opens for writing, replaces or removes: a link is followed nowhere else."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MODULE = ROOT / "trainer" / "contract" / "entries.py"
TOOLS = ROOT / "trainer" / "demo"  # what makes the small SDXL and its pictures, in a folder of its developer
METHODS = {"write_text", "write_bytes", "unlink", "rename", "rmdir", "touch", "symlink_to", "hardlink_to", "chmod"}
OF_OS = {"rename", "replace", "renames", "remove", "unlink", "link", "symlink", "mkfifo", "truncate", "chmod"}
OF_SHUTIL = {"copy", "copy2", "copyfile", "copytree", "move", "rmtree"}
OF_TEMPFILE = {"NamedTemporaryFile", "mkstemp", "mkdtemp", "mktemp", "TemporaryDirectory"}
WRITING = {"O_WRONLY", "O_RDWR", "O_CREAT", "O_APPEND", "O_TRUNC"}
ELSEWHERE = {  # in a folder that the program alone fills, or that this start has just made
    ("loratui/curation/cache.py", "unlink"),
    ("loratui/runs/launch.py", "rmdir"),
    ("loratui/runs/launch.py", "unlink"),
    ("loratui/settings/drafts/store.py", "rename"),
    ("loratui/settings/drafts/store.py", "replace"),
    ("loratui/settings/drafts/store.py", "unlink"),
    ("loratui/settings/own_presets.py", "unlink"),
    ("trainer/export/delivery.py", "chmod"),
    ("trainer/export/delivery.py", "copy2"),
    ("trainer/export/delivery.py", "link"),
    ("trainer/contract/run/program.py", "open"),  # a stream by its number, and /dev/null
    ("trainer/ground/machine.py", "open"),  # of /proc, which is no folder of anyone's
}


def deeds(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """Each call that opens for writing, makes, replaces or removes a file by its path, with its line."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and (name := _deed(node)):
            yield name, node.lineno


def _deed(call: ast.Call) -> str:
    if any(one.arg in ("dir_fd", "src_dir_fd") for one in call.keywords):
        return ""  # from an open folder: nothing above it can be swapped any more
    match call.func:
        case ast.Name("open"):
            return "open" if _writes(call, 1) else ""
        case ast.Attribute(ast.Name(("os" | "shutil" | "tempfile") as module), name):
            known = {"os": OF_OS, "shutil": OF_SHUTIL, "tempfile": OF_TEMPFILE}[module]
            opened = module == "os" and name == "open" and WRITING & {one.attr for one in _attributes(call)}
            return name if name in known or opened else ""
        case ast.Attribute(_, "open"):
            return "open" if _writes(call, 0) else ""
        case ast.Attribute(_, "replace"):  # of a path: of a text it has two arguments
            return "replace" if len(call.args) == 1 and not call.keywords else ""
        case ast.Attribute(_, name):
            return name if name in METHODS else ""
    return ""


def _attributes(call: ast.Call) -> list[ast.Attribute]:
    return [one for argument in call.args for one in ast.walk(argument) if isinstance(one, ast.Attribute)]


def _writes(call: ast.Call, place: int) -> bool:
    given = [one.value for one in call.keywords if one.arg == "mode"] + call.args[place : place + 1]
    modes = [one.value for one in given if isinstance(one, ast.Constant) and isinstance(one.value, str)]
    return any(set(mode) & set("wax+") and set(mode) <= set("rwaxbt+") for mode in modes)


def test_no_other_module_writes_replaces_or_removes_by_a_path() -> None:
    files = [path for name in ("loratui", "trainer") for path in (ROOT / name).rglob("*.py")]
    found = set()
    for path in files:
        if path != MODULE and TOOLS not in path.parents:
            name = str(path.relative_to(ROOT))
            found |= {(name, deed, line) for deed, line in deeds(ast.parse(path.read_text())) if deed}
    assert sorted(one for one in found if one[:2] not in ELSEWHERE) == []
    assert {one[:2] for one in found} >= ELSEWHERE  # what is gone from there is no exception any more


@pytest.mark.parametrize(
    "code",
    [
        'open(p, "w")',
        'open(p, mode="ab")',
        'p.open("r+b")',
        "os.open(p, os.O_RDONLY | os.O_CREAT)",
        "os.open(p, flags | os.O_WRONLY)",
        "os.replace(a, b)",
        "a.replace(b)",
        "shutil.rmtree(p, ignore_errors=True)",
        "run.log.write_text(x)",
        "tempfile.mkdtemp()",
        "run.lock.unlink(missing_ok=True)",
    ],
)
def test_each_way_is_found(code: str) -> None:
    assert [line for _, line in deeds(ast.parse(code))] == [1]


@pytest.mark.parametrize(
    "code",
    [
        "os.unlink(name, dir_fd=folder)",
        "open(p)",
        'p.open("rb")',
        "os.open(p, os.O_RDONLY)",
        't.replace("a", "b")',
        "replace(x, a=1)",
        "Image.open(p)",
    ],
)
def test_reading_is_left_alone(code: str) -> None:
    assert list(deeds(ast.parse(code))) == []
