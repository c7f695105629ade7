"""The folders used last: private, newest first, gone when they are gone."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from loratui.settings.recents import FILE, KEPT, recent_sources, remember
from loratui.widgets.paths import FolderSuggester


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_newest_stands_first_once_and_only_its_owner_may_read(home: Path) -> None:
    for name in ("a", "b"):
        (home / name).mkdir()
    for source in ("~/a", "b", "owner/name@v1", "~/a"):
        remember(source)
    assert recent_sources() == ("~/a", "owner/name@v1", str(home / "b"))  # relative ones hold from anywhere
    assert stat.S_IMODE((home / "state" / "loratui" / FILE).stat().st_mode) == 0o600


def test_a_folder_that_is_gone_is_not_offered_and_then_forgotten(home: Path) -> None:
    for name in ("a", "b"):
        (home / name).mkdir()
        remember(f"~/{name}")
    (home / "a").rmdir()
    assert recent_sources() == ("~/b",)
    remember("~/b")
    (home / "a").mkdir()
    assert recent_sources() == ("~/b",)


def test_there_is_a_bound(home: Path) -> None:
    for number in range(KEPT + 3):
        remember(f"owner/name-{number}")
    assert recent_sources() == tuple(f"owner/name-{number}" for number in range(KEPT + 2, 2, -1))


@pytest.mark.parametrize("raw", ["", "{", "{}", '[1, null, "x\\u001b]52;c;aGk="]', "[" * 10_000])
def test_a_damaged_file_counts_as_empty(home: Path, raw: str) -> None:
    (home / "a").mkdir()
    remember("~/a")
    (home / "state" / "loratui" / FILE).write_text(raw)
    assert recent_sources() == ()
    remember("~/a")
    assert recent_sources() == ("~/a",)


def test_what_could_not_be_typed_again_is_not_remembered(home: Path) -> None:
    (home / "a\x1b[31m").mkdir()
    remember(str(home / "a\x1b[31m"))
    assert recent_sources() == ()


def test_a_state_folder_that_cannot_be_written_is_no_error(home: Path) -> None:
    (home / "state").write_text("a file")
    remember("owner/name")
    assert recent_sources() == ()


async def test_the_completion_knows_them_before_the_disk(home: Path) -> None:
    for name in ("photos", "pictures"):
        (home / name).mkdir()
    assert await FolderSuggester().get_suggestion("p") == "photos"
    assert await FolderSuggester(("pictures/anna", "p")).get_suggestion("p") == "pictures/anna"
