"""No path that a person or a file names makes a question about it raise; and nobody asks in another way."""

from __future__ import annotations

import ast
import errno
import os
import re
from pathlib import Path

import pytest

from trainer.contract.documents.regular import read_bytes
from trainer.contract.paths import can_see, expanded, is_file, is_folder, os_sentence, os_words
from trainer.contract.pictures.sources import origin_of

ROOT = Path(__file__).parents[2]
NOBODY = "~no-such-user-here/pictures"
IMPOSSIBLE = {
    "a name that is too long": "a" * 300,
    "a path that is too long": "../" * 5000,
    "an unknown user": NOBODY,
    "a NUL": "a\0b",
    "a link to itself": "loop",
    "below a file": "file/x",
}


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("file").touch()
    Path("loop").symlink_to("loop")


@pytest.mark.parametrize("name", IMPOSSIBLE.values(), ids=IMPOSSIBLE)
def test_what_cannot_be_looked_at_is_not_there(name: str) -> None:
    path = expanded(name)
    assert not (can_see(path) or is_folder(path) or is_file(path))
    assert origin_of(name) == "pictures"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may look everywhere")
def test_a_folder_that_is_shut_hides_what_it_has(tmp_path: Path) -> None:
    shut = tmp_path / "shut"
    (shut / "in").mkdir(parents=True)
    shut.chmod(0)
    try:
        assert not (can_see(shut / "in") or is_folder(shut / "in") or is_file(shut / "in"))
    finally:
        shut.chmod(0o700)


def test_what_is_there_is_seen_through_a_link_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    Path("link").symlink_to("file")
    assert expanded("~/file") == tmp_path / "file"
    assert is_file(Path("link")) and can_see(Path("link")) and is_folder(tmp_path)
    assert expanded(NOBODY) == Path(NOBODY)
    assert read_bytes(Path("link"), 9).value == b""


def test_nobody_else_resolves_a_home() -> None:
    asking = re.compile(r"\.expanduser\(")
    found = [
        str(path.relative_to(ROOT))
        for room in ("loratui", "trainer")
        for path in (ROOT / room).rglob("*.py")
        if asking.search(path.read_text())
    ]
    assert found == ["trainer/contract/paths.py"]


def test_nobody_else_asks_what_stands_at_a_path() -> None:
    """But of the entries of an open folder, which are no paths."""
    asking = re.compile(r"(?<!\bone)(?<!\bentry)\.(exists|is_file|is_dir)\(\)")
    found = [
        f"{path.relative_to(ROOT)}: {line.strip()}"
        for room in ("loratui", "trainer/contract")
        for path in (ROOT / room).rglob("*.py")
        for line in path.read_text().splitlines()
        if asking.search(line) and path.name != "entries.py"
    ]
    assert not found


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("file/x.toml", "'file' is a file and not a folder"),
        ("file/a/x.toml", "'file' is a file and not a folder"),
        ("new/x.toml", "there is no folder 'new'"),
        ("new/a/x.toml", "there is no folder 'new/a'"),
        ("x.toml", "'x.toml' is not there"),
        (".", "it is a folder"),
        ("a" * 300, "the name is too long"),
        ("loop", "its links lead in a circle"),
    ],
)
def test_what_the_system_refuses_is_said_in_plain_words_with_the_place_at_fault(name: str, said: str) -> None:
    with pytest.raises(OSError) as refused:
        Path(name).read_bytes()
    assert os_words(refused.value) == said
    assert any(f"'{one}'" in os_sentence(refused.value) for one in (name, *Path(name).parents))
    if not said.endswith("is not there"):
        assert os_words(OSError(refused.value.errno, refused.value.strerror), Path(name)) == said


def test_no_reason_has_a_number_and_words_of_our_own_stay() -> None:
    for number, name in errno.errorcode.items():
        said = os_words(OSError(number, os.strerror(number)))
        assert said and "Errno" not in said and name not in said
    assert os_words(OSError(errno.ELOOP, "'a' is a link")) == "'a' is a link"
    assert os_words(ValueError("no number")) == "no number"


SYSTEMS = {
    "OSError",
    "FileNotFoundError",
    "FileExistsError",
    "PermissionError",
    "NotADirectoryError",
    "IsADirectoryError",
}
SAYS = {"str", "print", "safe_text"}


def _raw(handler: ast.ExceptHandler) -> list[int]:
    """The lines of a handler of the system's errors that say one as Python does, with its number."""
    caught = {one.id for one in ast.walk(handler.type or ast.Constant(0)) if isinstance(one, ast.Name)}
    if handler.name is None or not caught & SYSTEMS:
        return []
    said: list[ast.expr] = []
    for one in ast.walk(handler):
        if isinstance(one, ast.FormattedValue):
            said.append(one.value)
        elif isinstance(one, ast.Call) and isinstance(one.func, ast.Name) and one.func.id in SAYS and one.args:
            said.append(one.args[0])
        elif isinstance(one, ast.Attribute) and one.attr == "strerror":
            said.append(one.value)
    return [one.lineno for one in said if isinstance(one, ast.Name) and one.id == handler.name]


def test_every_part_says_the_systems_errors_in_those_words() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{line}"
        for top in ("loratui", "trainer")
        for path in sorted((ROOT / top).rglob("*.py"))
        for handler in ast.walk(ast.parse(path.read_text()))
        if isinstance(handler, ast.ExceptHandler)
        for line in _raw(handler)
    ]
    assert not found
