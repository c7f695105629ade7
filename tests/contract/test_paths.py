"""No path that a person or a file names makes a question about it raise; and nobody asks in another way."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from trainer.contract.documents.regular import read_bytes
from trainer.contract.paths import can_see, expanded, is_file, is_folder
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
