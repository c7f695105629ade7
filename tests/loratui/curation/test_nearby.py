"""Folders with pictures, found by names and few folders deep; those of programs are passed over."""

from __future__ import annotations

from pathlib import Path

import pytest

from loratui.curation.nearby import MOST_SHOWN, folders_below, folders_nearby
from trainer.contract.pictures.folder import list_pictures


def put(folder: Path, count: int) -> None:
    folder.mkdir(parents=True)
    for number in range(count):
        (folder / f"{number}.jpg").touch()
    (folder / "notes.txt").touch()


def test_what_lies_below_is_counted(tmp_path: Path) -> None:
    for name, count in {
        "10_ohwx woman": 12,
        "1_dog": 1,
        "a/deep": 2,
        "a/b/deeper": 3,
        "empty": 0,
        ".hidden": 4,
    }.items():
        put(tmp_path / name, count)
    put(tmp_path / "mask", 5)
    (tmp_path / "loop").symlink_to(tmp_path)
    (tmp_path / "1_dog" / "gone.jpg").symlink_to("nowhere.jpg")
    (tmp_path / "1_dog" / "0_mask.png").touch()
    found = {one.path.relative_to(tmp_path).as_posix(): one.words for one in folders_below(tmp_path)}
    assert found == {"10_ohwx woman": "12 pictures", "1_dog": "1 picture", "a/deep": "2 pictures"}
    listed = {one.path: len(list_pictures(one.path).pictures) for one in folders_below(tmp_path)}
    assert {one.path: one.count for one in folders_below(tmp_path)} == listed  # as the screen counts them
    assert folders_below(tmp_path / "gone") == ()


def test_those_nearby_are_of_the_working_folder_and_then_of_the_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    monkeypatch.setenv("HOME", str(home))
    put(home / "Pictures", 3)
    put(home / "Pictures" / "cats", 2)
    put(home / "work" / "few", 1)
    put(home / "work" / "many", 9)
    put(home / "work" / "kohya" / "img" / "10_ohwx woman", 4)
    put(home / "work" / "runs" / "one" / "samples", 9)
    monkeypatch.chdir(home / "work")
    names = [one.path.relative_to(home).as_posix() for one in folders_nearby()]
    assert names == ["work/many", "work/kohya/img/10_ohwx woman", "work/few", "Pictures", "Pictures/cats"]
    monkeypatch.chdir(home / "Pictures")  # by two ways, named once
    assert [one.path.name for one in folders_nearby()] == ["Pictures", "cats"]
    for number in range(20):
        put(home / "Pictures" / f"{number}", 1)
    assert len(folders_nearby()) == MOST_SHOWN
